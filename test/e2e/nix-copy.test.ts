import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { formatPublicKey, formatSecretKey, generateSecretKey, type SecretKey } from "../../src/nix/signing-key.ts";
import { ownUids, whyNoHosts } from "../hosts/can.ts";
import { checkoutInside } from "../hosts/files.ts";
import { type Host, makeHost } from "../hosts/host.ts";
import { readOnlyStore } from "./read-only-store.ts";

const skip = whyNoHosts() ?? (ownUids ? undefined : "needs root, whom Nix trusts");
const asked = generateSecretKey("asked-1");
const other = generateSecretKey("other-1");
const namesake = generateSecretKey("asked-1");

let host: Host | undefined;
before(async () => {
  if (skip !== undefined) return;
  // What the machine believes besides must not count: nobody asked for it.
  host = await makeHost("client", { nixConf: { "trusted-public-keys": formatPublicKey(other.public) } });
});
after(async () => await host?.stop());

for (const [way, before] of [
  ["into the store itself", []],
  ["by the daemon", readOnlyStore],
] as const) {
  for (const [what, signer, taken] of [
    ["takes what the key has signed", asked, true],
    ["refuses what is not signed", undefined, false],
    ["refuses what another key has signed that the machine trusts", other, false],
    ["refuses what a key of the same name has signed", namesake, false],
  ] as const) {
    test(`root's nix copy, ${way}, ${what}`, { skip }, async () => {
      assert.ok(host);
      const { path, exitCode, stderr } = await copy(
        `${way.replaceAll(" ", "-")}-${what.length}-${taken}`,
        signer,
        before,
      );
      const valid = (await host.run(["nix-store", "--check-validity", path], { user: "root" })).status === 0;
      assert.deepEqual({ exitCode, valid }, { exitCode: taken ? 0 : 1, valid: taken }, stderr);
      if (!taken) assert.match(stderr, /lacks a (valid )?signature/);
    });
  }
}

async function copy(name: string, signer: SecretKey | undefined, before: readonly string[]) {
  assert.ok(host);
  const script = `${checkoutInside}/test/e2e/copier.ts`;
  const keys = [signer === undefined ? "" : formatSecretKey(signer), formatSecretKey(asked)];
  const node = `${checkoutInside}/node_modules/.bin/node`;
  const { status, stdout, stderr } = await host.run([...before, node, script, name, ...keys], { user: "root" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}
