import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type TargetFlags, targetFrom } from "../../src/cli/target.ts";
import { findDestination } from "../../src/client/connection/destination.ts";
import { testIo } from "./io.ts";

const id = "ab".repeat(32);
const relay = "https://relay.example.org/";
const address = "192.0.2.7:4433";

/** Where these flags lead, for a user with these builders. */
async function peerOf(t: TestContext, flags: TargetFlags, builders: object = {}) {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-target-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "builders.json");
  writeFileSync(file, JSON.stringify({ builders }));
  const env = { HOME: folder, DRV_THRU_BUILDERS_CONFIG: file };
  const target = await targetFrom(flags, testIo({ env }).io, { environment: true });
  assert.ok(target);
  return (await findDestination(target, env)).peer;
}

test("a builder is looked for at the relays and addresses of --server, and nowhere else if there are none", async t => {
  assert.deepEqual(await peerOf(t, { server: id.toUpperCase(), relayUrl: [relay], address: [address] }), {
    endpointId: id,
    relayUrls: [relay],
    addresses: [address],
  });
  assert.deepEqual(await peerOf(t, { server: id }), { endpointId: id, relayUrls: [], addresses: [] });
});

test("a builder with a name is looked for at the relay and the addresses of its entry", async t => {
  const builders = { full: { endpoint_id: id, relay_url: relay, addresses: [address] }, bare: { endpoint_id: id } };
  const full = { endpointId: id, relayUrls: [relay], addresses: [address] };
  assert.deepEqual(await peerOf(t, { builder: "full" }, builders), full);
  assert.deepEqual(await peerOf(t, { builder: "bare" }, builders), { ...full, relayUrls: [], addresses: [] });
});
