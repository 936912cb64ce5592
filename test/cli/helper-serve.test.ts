import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { run } from "../../src/cli/main.ts";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";
import { testIo } from "./io.ts";

const key = formatPublicKey(generateSecretKey("builder-1").public);

/** What a helper that cannot start says, and its exit code. */
async function refused(t: TestContext, keys: string, ...flags: string[]) {
  const cwd = await mkdtemp(join(tmpdir(), "drv-thru-helper-cli-"));
  t.after(() => rm(cwd, { recursive: true, force: true }));
  await writeFile(join(cwd, "keys"), keys, { mode: 0o644 });
  const { io, stdout, stderr } = testIo({ cwd });
  const code = await run(["helper", "serve", ...flags], io);
  assert.equal(stdout(), "");
  return { code, stderr: stderr() };
}

test("helper serve without a file of keys says how to name one", async t => {
  for (const flags of [[], ["--trusted-public-key-file", ""]]) {
    const { code, stderr } = await refused(t, "", ...flags);
    assert.equal(code, 2);
    assert.match(stderr, /^error: no file of allowed keys was named\n\n--trusted-public-key-file FILE/);
  }
  const { code, stderr } = await refused(t, key, "--trusted-public-key-file", "keys", "--socket", "");
  assert.deepEqual([code, stderr], [2, "error: --socket names no path\n\n--socket PATH\n"]);
});

test("helper serve with a bad line in the file of keys says which, and does not start", async t => {
  const { code, stderr } = await refused(t, `# ours\n${key}\nbuilder-2\n`, "--trusted-public-key-file", "keys");
  assert.equal(code, 2);
  assert.match(stderr, /keys, line 3: "builder-2" is not a Nix public signing key/);
});

test("helper serve for a group that is not there says how to name another", async t => {
  const flags = ["--trusted-public-key-file", "keys", "--group", "no-such-group", "--socket", "helper.sock"];
  const { code, stderr } = await refused(t, key, ...flags);
  assert.equal(code, 2);
  assert.match(stderr, /there is no group "no-such-group" on this machine\n\n--group NAME/);
});

test("import-helper serve is another name of helper serve, which help does not list", async () => {
  const alias = testIo();
  assert.equal(await run(["import-helper", "serve", "--help"], alias.io), 0);
  assert.match(alias.stdout(), /^Usage: drv-thru helper serve /m);
  assert.match(alias.stdout(), /default: \/run\/drv-thru\/import-helper\.sock/);
  assert.match(alias.stdout(), /default: wheel/);
  const overview = testIo();
  await run(["--help"], overview.io);
  assert.ok(overview.stdout().includes("helper serve") && !overview.stdout().includes("import-helper"));
});
