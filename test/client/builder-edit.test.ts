import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { editBuilders } from "../../src/client/builders/edit.ts";
import { addBuilder, removeBuilder, showBuilder } from "../../src/client/builders/manage.ts";
import { claim } from "../../src/lib/claim.ts";
import { temporaryFolder } from "./folder.ts";

const id = (digit: string) => digit.repeat(64);
const entry = { endpointId: id("a") };

async function home(t: TestContext) {
  const folder = await temporaryFolder(t);
  const file = join(folder, ".config/drv-thru/builders.json");
  mkdirSync(dirname(file), { recursive: true });
  const env: Record<string, string> = { HOME: folder };
  return { folder, file, env, system: join(folder, "system.json"), names: () => Object.keys(read(file)) };
}

function read(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, "utf8")).builders;
}

test("a builder is added to a file that is made for it, for its owner alone", async t => {
  const { folder } = await home(t);
  const env = { XDG_CONFIG_HOME: join(folder, "new") };
  const full = { endpointId: id("b"), relayUrl: "https://relay.example.org", addresses: ["192.0.2.1:4433"] };
  const { file, now } = await addBuilder("lev", full, env);
  assert.equal(file, join(folder, "new/drv-thru/builders.json"));
  assert.equal(now?.endpointId, id("b"));
  assert.deepEqual(read(file)["lev"], {
    endpoint_id: id("b"),
    relay_url: "https://relay.example.org",
    addresses: ["192.0.2.1:4433"],
  });
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("an edit keeps the other entries, their order, the indentation and the file's mode", async t => {
  const { file, env, names } = await home(t);
  const zoe = { endpoint_id: id("1"), relay_url: null };
  writeFileSync(file, JSON.stringify({ builders: { zoe, mia: { endpoint_id: id("2") }, abe: zoe } }, undefined, "\t"));
  chmodSync(file, 0o640);
  await addBuilder("kim", entry, env);
  await addBuilder("mia", { endpointId: id("3") }, env, { replace: true });
  assert.deepEqual(names(), ["zoe", "mia", "abe", "kim"]);
  assert.deepEqual(read(file)["zoe"], zoe, "null stays");
  await removeBuilder("zoe", env);
  assert.deepEqual(names(), ["mia", "abe", "kim"]);
  assert.match(readFileSync(file, "utf8"), /^\t"builders": \{\n\t\t"mia"/m);
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(dirname(file)), ["builders.json"], "nothing is left beside it");
});

test("a builder file that is a symbolic link stays one, also one to a file that is not there yet", async t => {
  const { folder, file, env } = await home(t);
  const real = join(folder, "dotfiles.json");
  symlinkSync("../../dotfiles.json", file);
  await addBuilder("one", entry, env);
  await addBuilder("two", entry, env);
  assert.ok(lstatSync(file).isSymbolicLink());
  assert.deepEqual(Object.keys(read(real)), ["one", "two"]);
});

test("edits at the same time do not lose one another", async t => {
  const { env, names } = await home(t);
  const wanted = Array.from({ length: 24 }, (_, n) => `builder-${n}`);
  await Promise.all(wanted.map(name => addBuilder(name, entry, env)));
  assert.deepEqual(names().sort(), wanted.sort());
});

test("a file with comments or a mistake is refused and stays as it is", async t => {
  const { file, env } = await home(t);
  for (const text of ['{ // mine\n "builders": {} }', '{"builders": {"a": {}}}', "", '{"more": 1}']) {
    writeFileSync(file, text);
    await assert.rejects(addBuilder("lev", entry, env), { code: "usage", reason: "builder-file" });
    assert.equal(readFileSync(file, "utf8"), text);
    assert.deepEqual(readdirSync(dirname(file)), ["builders.json"]);
  }
});

test("a name that is there is replaced only on purpose, and one that is not cannot be removed", async t => {
  const { file, env, system } = await home(t);
  await addBuilder("lev", entry, env);
  await assert.rejects(addBuilder("lev", { endpointId: id("b") }, env), { code: "usage", fix: /--replace/ });
  await assert.rejects(removeBuilder("ana", env, system), { message: /no builder "ana" is known; known are lev/ });
  assert.deepEqual(read(file), { lev: { endpoint_id: id("a") } });
  for (const name of ["", " ", "a\nb", "n".repeat(129)]) {
    await assert.rejects(addBuilder(name, entry, env), { code: "usage" });
  }
});

test("a name like one of JavaScript's own is a name like any other", async t => {
  const { env, names } = await home(t);
  await addBuilder("__proto__", entry, env);
  await addBuilder("constructor", entry, env);
  assert.deepEqual(names(), ["__proto__", "constructor"]);
  assert.equal((await showBuilder("__proto__", env)).endpoint, id("a"));
  await removeBuilder("__proto__", env);
  assert.deepEqual(names(), ["constructor"]);
});

test("one of the machine's builders is not removed, and one that hid it counts again", async t => {
  const { env, system } = await home(t);
  writeFileSync(system, JSON.stringify({ builders: { lev: { endpoint_id: id("e") } } }));
  await assert.rejects(removeBuilder("lev", env, system), { code: "usage", reason: "builder-of-machine" });
  const { now } = await addBuilder("lev", entry, env, { system });
  assert.equal(now?.overrides, system);
  const removed = await removeBuilder("lev", env, system);
  assert.deepEqual([removed.now?.file, removed.now?.endpointId], [system, id("e")]);
});

test("an edit that fails leaves the file, and nothing beside it", async t => {
  const { file, env } = await home(t);
  await addBuilder("lev", entry, env);
  const before = readFileSync(file, "utf8");
  await assert.rejects(
    editBuilders(file, builders => {
      builders.set("big", { endpoint_id_file: "x".repeat(2 ** 20) });
    }),
    { code: "failed", message: /larger than 1 MiB/ },
  );
  assert.equal(readFileSync(file, "utf8"), before);
  assert.deepEqual(readdirSync(dirname(file)), ["builders.json"]);
});

/** A process that claims the file and then does nothing until it is killed. */
async function holder(t: TestContext, file: string) {
  const script = `
    import { claim } from ${JSON.stringify(new URL("../../src/lib/claim.ts", import.meta.url).href)};
    console.log((await claim(${JSON.stringify(file)})) !== undefined);
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  assert.equal(String((await once(child.stdout, "data"))[0]).trim(), "true");
  return child;
}

test("a command that was killed while it edited is no obstacle, and leaves nothing behind", async t => {
  const { file, env, names } = await home(t);
  const child = await holder(t, file);
  assert.equal(readdirSync(dirname(file)).length, 1, "its claim");
  child.kill("SIGKILL");
  await once(child, "exit");
  await addBuilder("kim", entry, env);
  assert.deepEqual([names(), readdirSync(dirname(file))], [["kim"], ["builders.json"]]);
});

test("while another command edits, one waits, and gives up after a time; the other's claim stays", async t => {
  const { file } = await home(t);
  await holder(t, file);
  assert.equal(await claim(file, 200), undefined);
  assert.equal(readdirSync(dirname(file)).length, 1);
});

test("a claim of another machine, of which nobody can say whether it lives, counts for a minute", async t => {
  const { file, env, names } = await home(t);
  const theirs = `${file}.claim.000000000.1.${Buffer.from("another-boot 5").toString("base64url")}.7.abc`;
  writeFileSync(theirs, "");
  assert.equal(await claim(file, 50), undefined);
  utimesSync(theirs, new Date(), new Date(Date.now() - 61_000));
  await addBuilder("kim", entry, env);
  assert.deepEqual([names(), existsSync(theirs)], [["kim"], false]);
});

test("without a home the error says what to set", async () => {
  await assert.rejects(addBuilder("lev", entry, {}), { code: "usage", fix: /HOME.*DRV_THRU_BUILDERS_CONFIG/ });
});
