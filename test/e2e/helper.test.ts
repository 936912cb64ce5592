import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";
import { findProgram, ownUids } from "../hosts/can.ts";
import type { HostProcess } from "../hosts/host.ts";
import { readOnlyStore } from "./read-only-store.ts";
import { useStage } from "./stage.ts";

const KEY_FILE = "/etc/drv-thru/trusted-builders";

// Nix trusts neither; one is in the group that may ask the helper.
const { skip: noStage, current } = useStage({ client: { users: ["member", "guest"], groups: { wheel: ["member"] } } });
const skip = noStage ?? (ownUids ? undefined : "needs root, to have users that differ");

let helper: HostProcess | undefined;
after(async () => await helper?.signal("SIGTERM"));

/** Starts the helper on the client as root, for these keys. */
async function startHelper(keys: readonly string[], before: readonly string[] = []): Promise<HostProcess> {
  const { client } = current();
  await helper?.signal("SIGTERM");
  await helper?.ended;
  await client.configure({ "trusted-public-keys": "" });
  const made = await client.run(["mkdir", "-p", "/etc/drv-thru"], { user: "root" });
  assert.equal(made.status, 0, made.stderr);
  writeFileSync(client.outside(KEY_FILE), keys.map(key => `${key}\n`).join(""));
  const command = ["drv-thru", "helper", "serve", "--trusted-public-key-file", KEY_FILE];
  helper = client.spawn([...before, ...command], { user: "root" });
  await helper.until(/the import helper serves/, "stderr");
  return helper;
}

async function signingKey(): Promise<string> {
  const { stdout } = await current().admin("ticket", "inspect", await current().ticket(), "--json");
  return JSON.parse(stdout).signingKey;
}

/** A ticket, and what is left of it after a build that this user may not import. */
async function refusedBuild(name: string, user: string) {
  const stage = current();
  const ticket = await stage.ticket();
  const { status, stdout, stderr } = await stage.build(ticket, two(name), [], user);
  assert.equal(status, 4, stderr);
  assert.equal(stdout, "");
  assert.equal((await stage.record(ticket)).status, "active", "its use is not spent");
  return stderr;
}

const two = (name: string) =>
  `let a = step "${name}-a" "echo one > $out" { }; in step "${name}" "echo \${a} > $out; echo two >> $out" { }`;

test("without a helper a user whom Nix does not trust is told so before anything is sent", { skip }, async () => {
  await current().client.configure({ "trusted-public-keys": "" });
  const stderr = await refusedBuild("nobody-helps", "member");
  assert.match(stderr, /no import helper runs here \(there is no \/run\/drv-thru\/import-helper\.sock\)/);
  assert.ok(stderr.includes(`trustedBuilderPublicKeys = [ "${await signingKey()}" ];`), stderr);
});

test("a user whom Nix does not trust builds, and the helper imports what comes back", { skip }, async () => {
  const stage = current();
  const running = await startHelper([await signingKey()]);
  const ticket = await stage.ticket();
  const { status, stdout, stderr } = await stage.build(ticket, two("through"), [], "member");
  assert.equal(status, 0, stderr);
  const path = stdout.trim();
  assert.match(readFileSync(stage.client.outside(path), "utf8"), /\/nix\/store\/.*-through-a\ntwo\n/);
  const verified = await stage.client.run(["nix-store", "--verify-path", path], { user: "root" });
  assert.equal(verified.status, 0, verified.stderr);
  const log = running.written("stderr");
  assert.match(log, /"key":"[^"]+","allowed":true,"ask":"import","paths":\d+,"result":"imported"/);
  const who = findProgram("ss") === undefined ? '"uid":null,"gid":null' : '"uid":1000,"gid":1000';
  assert.ok(log.includes(who), log);
  assert.equal((await stage.record(ticket)).status, "exhausted");
});

test("a user who may not open the helper's socket is told which group to join, before anything is sent", {
  skip,
}, async () => {
  await startHelper([await signingKey()]);
  const stderr = await refusedBuild("outside", "guest");
  assert.match(stderr, /no permission to open \/run\/drv-thru\/import-helper\.sock/);
  assert.match(stderr, /sudo usermod -aG wheel guest/);
});

test("a helper that does not take the builder's key is told from none, before anything is sent", { skip }, async () => {
  const name = (await signingKey()).split(":")[0] ?? "";
  const running = await startHelper([formatPublicKey(generateSecretKey(name).public)]);
  const stderr = await refusedBuild("other-key", "member");
  assert.match(stderr, /the import helper of this machine does not take this key either/);
  assert.match(
    running.written("stderr"),
    /"allowed":false,.*"result":"the import helper of this machine does not take the key/,
  );
});

test("a user in a group that Nix trusts needs neither a helper nor the key", { skip }, async () => {
  const stage = current();
  await startHelper([]);
  await stage.client.configure({ "trusted-users": "root @wheel" });
  const { status, stdout, stderr } = await stage.build(await stage.ticket(), two("by-group"), [], "member");
  await stage.client.configure({ "trusted-users": "root" });
  assert.equal(status, 0, stderr);
  assert.match(readFileSync(stage.client.outside(stdout.trim()), "utf8"), /two/);
});

test("a root service that cannot write to the store imports by Nix's daemon", { skip }, async () => {
  const stage = current();
  await startHelper([await signingKey()], readOnlyStore);
  const { status, stdout, stderr } = await stage.build(await stage.ticket(), two("by-daemon"), [], "member");
  assert.equal(status, 0, stderr);
  assert.match(readFileSync(stage.client.outside(stdout.trim()), "utf8"), /two/);
});

test("a path of 32 MiB goes through the helper", { skip }, async () => {
  const stage = current();
  const running = await startHelper([await signingKey()]);
  const expression = 'step "large" "dd if=/dev/urandom of=$out bs=1048576 count=32" { }';
  const { status, stdout, stderr } = await stage.build(await stage.ticket(), expression, [], "member");
  assert.equal(status, 0, stderr);
  assert.equal(statSync(stage.client.outside(stdout.trim())).size, 32 << 20);
  assert.match(running.written("stderr"), /"paths":1,"result":"imported"/);
  const [, most = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(await statusOf(running)) ?? [];
  assert.ok(Number(most) < 300 << 10, `the helper held ${most} kB`);
});

async function statusOf(process: HostProcess): Promise<string> {
  return (await current().client.run(["cat", `/proc/${await process.pid}/status`], { user: "root" })).stdout;
}
