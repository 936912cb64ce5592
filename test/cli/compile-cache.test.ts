import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";

const MODULE = join(import.meta.dirname, "../../src/cli/compile-cache.ts");

/** Where a program with these variables keeps what it compiled; empty: nowhere. */
async function keptIn(env: Readonly<Record<string, string>>, version = "1.0.0"): Promise<string> {
  const program = `
    const { keepCompiled } = await import(${JSON.stringify(MODULE)});
    keepCompiled(process.env, process.argv[1]);
    const { getCompileCacheDir } = await import("node:module");
    process.stdout.write(getCompileCacheDir() ?? "");`;
  const args = ["--input-type=module", "-e", program, version];
  return (await promisify(execFile)(process.execPath, args, { env })).stdout;
}

/** A home that is gone after the test. */
async function makeHome(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "drv-thru-home-"));
  t.after(() => rm(home, { recursive: true }));
  return home;
}

test("what a start compiled is kept in the user's cache folder, where nobody else can write", async t => {
  const home = await makeHome(t);
  const kept = await keptIn({ HOME: home });
  assert.ok(kept.startsWith(join(home, ".cache/drv-thru/compiled/1.0.0/")), kept);
  assert.equal((await stat(join(home, ".cache/drv-thru/compiled/1.0.0"))).mode & 0o777, 0o700);
  const elsewhere = join(home, "elsewhere");
  assert.ok((await keptIn({ HOME: home, XDG_CACHE_HOME: elsewhere })).startsWith(`${elsewhere}/drv-thru/`));
});

test("a folder into which somebody else can put something is not used, also by way of a link", async t => {
  const home = await makeHome(t);
  const open = join(home, "open");
  await mkdir(join(open, "drv-thru"), { recursive: true });
  await chmod(open, 0o777);
  await symlink(open, join(home, "link"));
  for (const cache of [open, join(home, "link")]) {
    assert.equal(await keptIn({ HOME: home, XDG_CACHE_HOME: cache }), "");
    assert.deepEqual(await readdir(join(open, "drv-thru")), [], "nothing is made there");
  }
});

test("another user's home is not used, also by root", { skip: process.geteuid?.() !== 0 && "needs root" }, async t => {
  const home = await makeHome(t);
  await chown(home, 12_345, 12_345);
  assert.equal(await keptIn({ HOME: home }), "");
  assert.deepEqual(await readdir(home), []);
});

test("without a home, or one that cannot be written, nothing is kept and nothing said", async t => {
  const home = await makeHome(t);
  await writeFile(join(home, ".cache"), "a file");
  for (const env of [{}, { HOME: "relative" }, { HOME: "/proc" }, { HOME: home }]) assert.equal(await keptIn(env), "");
});

test("a new version removes what one of long ago kept", async t => {
  const home = await makeHome(t);
  const compiled = join(home, ".cache/drv-thru/compiled");
  await keptIn({ HOME: home }, "1.0.0");
  await keptIn({ HOME: home }, "1.1.0");
  const past = Date.now() / 1000 - 31 * 24 * 3600;
  await utimes(join(compiled, "1.0.0"), past, past);
  await keptIn({ HOME: home }, "1.1.0");
  assert.deepEqual((await readdir(compiled)).sort(), ["1.0.0", "1.1.0"], "an ordinary start removes nothing");
  await keptIn({ HOME: home }, "1.2.0");
  assert.deepEqual((await readdir(compiled)).sort(), ["1.1.0", "1.2.0"]);
});
