import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { idFromBytes } from "../../../src/lib/ids.ts";
import { generateSecretKey, signPath } from "../../../src/nix/signing-key.ts";
import { baseName, type StorePath } from "../../../src/nix/store-path.ts";
import { closure, fetched, refused, resultOf } from "../calls.ts";
import type { World } from "../world.ts";
import { built, entriesOf, large, readsOf } from "./built.ts";

async function rootsOf({ folder }: World, buildId: Uint8Array): Promise<string[]> {
  return (await readdir(join(folder, "roots", idFromBytes(buildId) ?? ""))).sort();
}

test("an output is kept from collection until its client says that it is fetched, the derivation as long as the build", async t => {
  const { builder, guest, buildId, outs, drvs } = await built(t, ["one", "two"]);
  await resultOf(guest, buildId);
  const [one, two] = outs as [StorePath, StorePath];
  const drvNames = drvs.map(drv => baseName(drv.info.path));
  assert.deepEqual(await rootsOf(builder, buildId), [...drvNames, baseName(one), baseName(two)].sort());
  await fetched(guest, buildId, [one]);
  assert.ok((await rootsOf(builder, buildId)).includes(baseName(one)), "bytes that were sent may not have arrived");
  await guest.cache.fetched({ buildId, output: one });
  await guest.cache.fetched({ buildId, output: one });
  assert.deepEqual(await rootsOf(builder, buildId), [...drvNames, baseName(two)].sort());
});

test("a client that imports elsewhere fetches again from the cache what Nix has collected since", async t => {
  const { builder, guest, buildId, outs } = await built(t, [large(), "small"]);
  const before = await closure(guest, buildId, outs[0] ?? "");
  const first = await fetched(guest, buildId, outs);
  await entriesOf(builder, 2);
  for (const output of outs) await guest.cache.fetched({ buildId, output });
  for (const out of outs) builder.nix.valid.delete(out);
  // Also after a start, when nothing is remembered.
  await builder.crash();
  await builder.start();
  const { principal } = guest;
  const again = builder.connect(principal);
  const reads = readsOf(builder);
  assert.deepEqual(await closure(again, buildId, outs[0] ?? ""), before);
  const second = await fetched(again, buildId, outs);
  for (const out of outs) assert.deepEqual(second.get(out)?.bytes, first.get(out)?.bytes);
  assert.equal(readsOf(builder), reads);
});

test("what is neither in the store nor in the cache any more is said to be gone", async t => {
  const { builder, guest, buildId, outs } = await built(t, ["small"]);
  for (const out of outs) builder.nix.valid.delete(out);
  await assert.rejects(closure(guest, buildId, outs[0] ?? ""), /is not on the builder any more/);
  await assert.rejects(fetched(guest, buildId, outs), /no closure of this build|not on the builder any more/);
});

test("attack: a path that a key vouched for which the builder trusts no more is not served from the cache", async t => {
  const friend = generateSecretKey("friend-1");
  const { builder, guest, buildId, outs } = await built(t, ["small"], { nix: { trustedKeys: [friend.public] } });
  const out = outs[0] as StorePath;
  const made = builder.nix.valid.get(out);
  assert.ok(made);
  const info = { ...made.info, ultimate: false, signatures: [signPath(made.info, friend)] };
  builder.nix.valid.set(out, { ...made, info });
  await fetched(guest, buildId, outs);
  await entriesOf(builder, 1);
  builder.nix.valid.delete(out);
  await builder.crash();
  Object.assign(builder.nix.options, { trustedKeys: [] });
  await builder.start();
  const again = builder.connect(guest.principal);
  assert.equal(await refused(closure(again, buildId, out)), "CANNOT_VOUCH");
  assert.equal(await refused(fetched(again, buildId, [out])), "CANNOT_VOUCH");
});
