import assert from "node:assert/strict";
import { chmod, lchown, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readAllowedKeys } from "../../src/helper/keys.ts";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";

const text = formatPublicKey(generateSecretKey("builder-1").public);
const notRoot = process.getuid?.() === 0 ? false : "needs root, to make files that belong to somebody else";

async function folderWithKeys(t: TestContext): Promise<{ folder: string; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-keys-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "keys");
  await writeFile(file, `${text}\n`, { mode: 0o644 });
  return { folder, file };
}

test("the allowed keys are read, also through links and folders of one's own", async t => {
  const { folder, file } = await folderWithKeys(t);
  assert.deepEqual([...(await readAllowedKeys(file)).keys()], [text]);
  await symlink("keys", join(folder, "link"));
  await symlink(folder, join(folder, "self"));
  assert.equal((await readAllowedKeys(join(folder, "self", "link"))).size, 1);
});

test("a missing file of allowed keys is told with what to write", async t => {
  const { folder } = await folderWithKeys(t);
  await assert.rejects(readAllowedKeys(join(folder, "none")), {
    message: /none: there is no such file/,
    fix: /NAME:BASE64/,
  });
  await assert.rejects(readAllowedKeys(folder), /is no file/);
  await symlink("circle", join(folder, "circle"));
  await assert.rejects(readAllowedKeys(join(folder, "circle")), /circle/);
});

test("attack: others may write to the file of allowed keys, or put another in its place", async t => {
  const { folder, file } = await folderWithKeys(t);
  await chmod(file, 0o664);
  await assert.rejects(readAllowedKeys(file), {
    code: "not-permitted",
    message: /others may write to .*keys$/,
    fix: /chmod go-w .*keys$/,
  });
  await chmod(file, 0o644);
  await chmod(folder, 0o777);
  await assert.rejects(readAllowedKeys(file), /others may write to .*drv-thru-keys-/);
  await chmod(folder, 0o1777);
  assert.equal((await readAllowedKeys(file)).size, 1, "a folder like /tmp keeps each user's files apart");
});

test("attack: a symlink of another user stands in the place of the file of allowed keys", {
  skip: notRoot,
}, async t => {
  const { folder, file } = await folderWithKeys(t);
  const link = join(folder, "link");
  await symlink(file, link);
  await lchown(link, 1000, 1000);
  await assert.rejects(readAllowedKeys(link), { code: "not-permitted", message: /link belongs to user 1000$/ });
  const theirs = join(folder, "theirs");
  await mkdir(theirs);
  await lchown(theirs, 1000, 1000);
  await writeFile(join(theirs, "keys"), text);
  await symlink(join(theirs, "keys"), join(folder, "mine"));
  await assert.rejects(readAllowedKeys(join(folder, "mine")), /theirs belongs to user 1000$/);
});
