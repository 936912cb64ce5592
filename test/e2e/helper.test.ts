import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { ownUids } from "../hosts/can.ts";
import type { HostProcess } from "../hosts/host.ts";
import { useStage } from "./stage.ts";

const KEY_FILE = "/etc/drv-thru/trusted-builders";

// Nix trusts neither; one is in the group that may ask the helper.
const { skip: noStage, current } = useStage({ client: { users: ["member", "guest"], groups: { wheel: ["member"] } } });
const skip = noStage ?? (ownUids ? undefined : "needs root, to have users that differ");

let helper: HostProcess | undefined;
after(async () => await helper?.signal("SIGTERM"));

/** Starts the helper on the client as root, for these keys. */
async function startHelper(keys: readonly string[]): Promise<HostProcess> {
  const { client } = current();
  await helper?.signal("SIGTERM");
  await helper?.ended;
  await client.configure({ "trusted-public-keys": "" });
  const made = await client.run(["mkdir", "-p", "/etc/drv-thru"], { user: "root" });
  assert.equal(made.status, 0, made.stderr);
  writeFileSync(client.outside(KEY_FILE), keys.map(key => `${key}\n`).join(""));
  helper = client.spawn(["drv-thru", "helper", "serve", "--trusted-public-key-file", KEY_FILE], { user: "root" });
  await helper.until(/the import helper serves/, "stderr");
  return helper;
}

async function signingKey(): Promise<string> {
  const { stdout } = await current().admin("ticket", "inspect", await current().ticket(), "--json");
  return JSON.parse(stdout).signingKey;
}

const two = (name: string) =>
  `let a = step "${name}-a" "echo one > $out" { }; in step "${name}" "echo \${a} > $out; echo two >> $out" { }`;

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
  assert.match(
    log,
    /"uid":1000,"gid":1000,"key":"[^"]+","allowed":true,"ask":"import","paths":\d+,"result":"imported"/,
  );
  assert.equal((await stage.record(ticket)).status, "exhausted");
});
