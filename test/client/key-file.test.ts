import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { defaultKeyFile, stateFolder } from "../../src/client/paths.ts";
import type { Failure } from "../../src/lib/failure.ts";
import { readOrMakeKey } from "../../src/lib/key-file.ts";
import { temporaryFolder } from "./folder.ts";

test("the key is made on first use for its owner alone, and found again", async t => {
  const file = join(await temporaryFolder(t), "config/drv-thru/secret.key");
  const made = await readOrMakeKey(file);
  assert.equal(made.created, true);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await stat(join(file, ".."))).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(file, "..")), ["secret.key"]);
  const found = await readOrMakeKey(file);
  assert.deepEqual([found.created, found.seed, found.file], [false, Uint8Array.from(made.seed), file]);
});

test("many programs that start at once agree on one key", async t => {
  const file = join(await temporaryFolder(t), "secret.key");
  const keys = await Promise.all(Array.from({ length: 10 }, () => readOrMakeKey(file)));
  assert.equal(new Set(keys.map(key => Buffer.from(key.seed).toString("hex"))).size, 1);
});

test("a key that others can read is refused with the command that closes it", async t => {
  const file = join(await temporaryFolder(t), "secret.key");
  await readOrMakeKey(file);
  await chmod(file, 0o640);
  const refused = (error: Failure) => error.reason === "key-file-open" && error.fix === `chmod 600 ${file}`;
  await assert.rejects(readOrMakeKey(file), refused);
});

test("a key of the earlier program, 32 raw bytes or text, stays the same identity", async t => {
  const folder = await temporaryFolder(t);
  const seed = Buffer.alloc(32, 9);
  for (const [name, content] of [
    ["raw", seed],
    ["text", `${seed.toString("hex").toUpperCase()}\n`],
    ["base32", "BEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQ\n"],
  ] as const) {
    await writeFile(join(folder, name), content, { mode: 0o600 });
    assert.deepEqual((await readOrMakeKey(join(folder, name))).seed, Uint8Array.from(seed));
  }
});

test("a file that is no key is refused and left as it is", async t => {
  const file = join(await temporaryFolder(t), "secret.key");
  for (const content of ["", "hello", "ab".repeat(33), "x".repeat(5000)]) {
    await writeFile(file, content, { mode: 0o600 });
    await assert.rejects(readOrMakeKey(file), (error: Failure) => /not a key of drv-thru/.test(error.message));
    assert.equal(await readFile(file, "utf8"), content);
  }
});

test("where no file can be written the key lives in memory", async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "file"), "");
  const key = await readOrMakeKey(join(folder, "file/secret.key"));
  assert.deepEqual([key.file, key.created, key.seed.length], [undefined, true, 32]);
});

test("without a home the error names the flag", () => {
  assert.throws(
    () => defaultKeyFile({}),
    (error: Failure) => /--key-file/.test(error.fix ?? ""),
  );
  assert.equal(defaultKeyFile({ HOME: "/h" }), "/h/.config/drv-thru/secret.key");
  assert.equal(defaultKeyFile({ HOME: "/h", XDG_CONFIG_HOME: "/c" }), "/c/drv-thru/secret.key");
  assert.equal(defaultKeyFile({ HOME: "/h", XDG_CONFIG_HOME: "relative" }), "/h/.config/drv-thru/secret.key");
  assert.equal(stateFolder({}), undefined);
  assert.equal(stateFolder({ HOME: "/h" }), "/h/.local/state/drv-thru");
});

test("a folder in place of the key file is an error, not a new key", async t => {
  const file = join(await temporaryFolder(t), "secret.key");
  await mkdir(file, { mode: 0o700 });
  await assert.rejects(readOrMakeKey(file), (error: Failure) => error.code === "failed");
});

test("a link that leads nowhere in place of the key file is an error", async t => {
  const file = join(await temporaryFolder(t), "secret.key");
  await symlink("nowhere", file);
  await assert.rejects(readOrMakeKey(file), (error: Failure) => error.code === "failed");
});
