import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Failure } from "../../src/lib/failure.ts";
import { formatPublicKey } from "../../src/nix/signing-key.ts";
import { findDataFolder, prepareDataFolder } from "../../src/server/data-folder.ts";
import { loadKeys } from "../../src/server/keys.ts";
import { whyNoNix } from "../hosts/can.ts";

test("the first start makes keys that the next one finds, and leaves nothing else", async t => {
  const folder = temporary(t);
  const first = await loadKeys(folder);
  const second = await loadKeys(folder);
  assert.deepEqual(second.iroh, first.iroh);
  assert.equal(second.endpoint, first.endpoint);
  assert.equal(formatPublicKey(second.signing.public), formatPublicKey(first.signing.public));
  assert.equal(first.signing.name, `drv-thru-${first.endpoint.slice(0, 8)}`);
  assert.deepEqual(readdirSync(folder).sort(), ["secret.key", "signing-public.key", "signing-secret.key"]);
  for (const name of ["secret.key", "signing-secret.key"])
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, "signing-public.key")).mode & 0o777, 0o644);
});

test("a key that others can read is refused with the command that closes it", async t => {
  for (const name of ["secret.key", "signing-secret.key"]) {
    const folder = temporary(t);
    await loadKeys(folder);
    chmodSync(join(folder, name), 0o640);
    await refused(loadKeys(folder), /open to others/, `chmod 600 ${join(folder, name)}`);
  }
});

test("half a signing pair, an empty half, or two halves of two pairs are errors", async t => {
  const folder = temporary(t);
  const other = temporary(t);
  await loadKeys(folder);
  await loadKeys(other);
  const file = join(folder, "signing-public.key");
  const content = readFileSync(file);
  rmSync(file);
  await refused(loadKeys(folder), /half of the signing pair/, "convert-secret-to-public");
  writeFileSync(file, "\n");
  await refused(loadKeys(folder), /is empty/, "convert-secret-to-public");
  writeFileSync(file, readFileSync(join(other, "signing-public.key")));
  await refused(loadKeys(folder), /does not belong/, "convert-secret-to-public");
  writeFileSync(file, content);
  rmSync(join(folder, "signing-secret.key"));
  await refused(loadKeys(folder), /half of the signing pair/, "put it back");
});

test("the command that an error gives makes the public half anew, with a Nix that is not configured", {
  skip: whyNoNix(),
}, async t => {
  const folder = temporary(t);
  const { signing } = await loadKeys(folder);
  const file = join(folder, "signing-public.key");
  rmSync(file);
  const { fix } = await loadKeys(folder).then(
    () => assert.fail("half of the pair is missing"),
    error => error,
  );
  const env = { PATH: process.env["PATH"], HOME: folder, NIX_CONF_DIR: folder, NIX_USER_CONF_FILES: "" };
  execFileSync("sh", ["-c", fix], { env, stdio: "pipe" });
  assert.equal(readFileSync(file, "utf8").trim(), formatPublicKey(signing.public));
});

test("keys of the earlier program are taken over, as 32 bytes, hex or base32", async t => {
  const seed = Buffer.alloc(32, 7);
  const ids = new Set<string>();
  for (const content of [seed, `${seed.toString("hex")}\n`, "A4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQ"]) {
    const folder = temporary(t);
    writeFileSync(join(folder, "secret.key"), content, { mode: 0o600 });
    ids.add((await loadKeys(folder)).endpoint);
  }
  assert.equal(ids.size, 1);
});

test("a key file that is no key is refused and left alone", async t => {
  const folder = temporary(t);
  const file = join(folder, "secret.key");
  for (const content of ["", "hello", "f".repeat(63), "f".repeat(2000)]) {
    writeFileSync(file, content, { mode: 0o600 });
    await refused(loadKeys(folder), /not a key/);
    assert.equal(readFileSync(file, "utf8"), content);
  }
});

test("a secret key file elsewhere is made there, with its folders", async t => {
  const folder = temporary(t);
  const file = join(folder, "a", "b", "iroh.key");
  await loadKeys(folder, file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, "a")).mode & 0o777, 0o700);
});

test("the data folder is the flag's, the environment's, the system's, the user's, in this order", t => {
  const system = temporary(t);
  const env = { DRV_THRU_DATA_DIR: "/env", XDG_STATE_HOME: "/xdg", HOME: "/home/x" };
  assert.equal(findDataFolder("/flag", env, system), "/flag");
  assert.equal(findDataFolder(undefined, env, system), "/env");
  assert.equal(findDataFolder(undefined, { ...env, DRV_THRU_DATA_DIR: undefined }, system), system);
  const gone = "/nonexistent/drv-thru";
  assert.equal(findDataFolder(undefined, { XDG_STATE_HOME: "/xdg", HOME: "/home/x" }, gone), "/xdg/drv-thru");
  assert.equal(
    findDataFolder(undefined, { XDG_STATE_HOME: "relative", HOME: "/home/x" }, gone),
    "/home/x/.local/state/drv-thru",
  );
  assert.throws(() => findDataFolder("", env, gone), Failure);
  assert.throws(
    () => findDataFolder(undefined, { HOME: "" }, gone),
    isFailure(/no HOME/, "drv-thru serve --data-dir DIR"),
  );
});

test("a data folder that others may write is refused; one that cannot be made is named", t => {
  const folder = temporary(t);
  prepareDataFolder(join(folder, "new"));
  assert.equal(statSync(join(folder, "new")).mode & 0o777, 0o700);
  chmodSync(folder, 0o2770);
  assert.throws(() => prepareDataFolder(folder), isFailure(/others may write/, `chmod 700 ${folder}`));
  chmodSync(folder, 0o755);
  prepareDataFolder(folder);
  writeFileSync(join(folder, "file"), "");
  for (const bad of [join(folder, "file"), join(folder, "file", "x"), "/proc/drv-thru/x"]) {
    assert.throws(() => prepareDataFolder(bad), isFailure(/cannot be used/, "--data-dir"), bad);
  }
});

function temporary(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "drv-thru-keys-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function isFailure(message: RegExp, fix = ""): (error: unknown) => boolean {
  return error => error instanceof Failure && message.test(error.message) && (error.fix ?? "").includes(fix);
}

async function refused(promise: Promise<unknown>, message: RegExp, fix = ""): Promise<void> {
  await assert.rejects(promise, isFailure(message, fix));
}
