import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { TAIL } from "../../../src/lib/protocol.ts";
import { sha256 } from "../../../src/nix/hash.ts";
import { derivation } from "../../fakes/make-path.ts";
import { begin, closure, fetched, only, outcomeOf, refused } from "../calls.ts";
import { built, entriesOf, large, readsOf } from "./built.ts";

const digest = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes.subarray(-TAIL)).digest());

/** A large output, and its file as it was fetched once. */
async function fetchedOnce(t: Parameters<typeof built>[0]) {
  const made = await built(t, [large()]);
  const [path = ""] = made.outs;
  const file = (await fetched(made.guest, made.buildId, [path])).get(path)?.bytes ?? Buffer.alloc(0);
  await entriesOf(made.builder, 1);
  return { ...made, path, file };
}

test("a download goes on behind the bytes that the client has, of the file that FileHash names", async t => {
  const { builder, guest, buildId, path, file } = await fetchedOnce(t);
  for (const offset of [1, TAIL - 1, TAIL, TAIL + 1, file.length >> 1, file.length - 1, file.length]) {
    const item = { path, offset: BigInt(offset), tailHash: digest(file.subarray(0, offset)) };
    const rest = (await fetched(guest, buildId, [item])).get(path);
    assert.equal(rest?.offset, offset);
    assert.equal(rest?.fileHash, sha256(file));
    assert.deepEqual(rest?.bytes, file.subarray(offset));
  }
  assert.equal(readsOf(builder), 1);
});

test("a client that has the beginning of another file gets this one from its beginning", async t => {
  const { guest, buildId, path, file } = await fetchedOnce(t);
  const item = { path, offset: 1000n, tailHash: digest(Buffer.alloc(1000)) };
  const whole = (await fetched(guest, buildId, [item])).get(path);
  assert.equal(whole?.offset, 0);
  assert.deepEqual(whole?.bytes, file);
});

test("attack: offsets past the end, beyond all numbers, without a hash of what comes before", async t => {
  const { builder, guest, buildId, path, file } = await fetchedOnce(t);
  const some = digest(file);
  const items = [
    { path, offset: BigInt(file.length + 1), tailHash: some },
    { path, offset: BigInt(Number.MAX_SAFE_INTEGER), tailHash: some },
    { path, offset: BigInt(Number.MAX_SAFE_INTEGER) + 1n, tailHash: some },
    { path, offset: 2n ** 64n - 1n, tailHash: some },
    { path, offset: 5n },
    { path, offset: 5n, tailHash: some.subarray(1) },
    { path, offset: 0n, tailHash: some },
  ];
  for (const item of items) assert.equal(await refused(fetched(guest, buildId, [item])), "MALFORMED");
  assert.equal(readsOf(builder), 1);
  assert.equal((await fetched(guest, buildId, [path])).get(path)?.bytes.length, file.length);
});

test("attack: names that lead out of the cache's folder", async t => {
  const { guest, buildId } = await fetchedOnce(t);
  for (const path of [
    "/nix/store/../../etc/passwd",
    "../signing-secret.key",
    `/nix/store/${"0".repeat(32)}-../../x`,
    "/nix/store/..-x",
    `/nix/store/${"0".repeat(32)}-x\0`,
  ]) {
    assert.equal(await refused(fetched(guest, buildId, [path])), "MALFORMED");
  }
});

test("attack: a guest asks for a path in the cache that only another's build has in its closure", async t => {
  const { builder, path } = await fetchedOnce(t);
  const guest = await builder.anyone();
  const own = await begin(guest, [derivation({ name: "own" })]);
  assert.equal(await outcomeOf(guest, own), "BUILT");
  assert.equal(await refused(fetched(guest, own, [path])), "NOT_PERMITTED");
  assert.equal(await refused(closure(guest, own, path)), "NOT_PERMITTED");
  assert.equal(await refused(guest.cache.fetched({ buildId: own, output: path })), "NOT_PERMITTED");
});

test("a client cut while its path fills goes on when the fill has gone on without it", async t => {
  const { builder, guest, buildId, outs } = await built(t, [large()]);
  const [path = ""] = outs;
  const enough = new AbortController();
  let have = Buffer.alloc(0);
  try {
    for await (const { parts } of guest.cache.fetch(only({ buildId, items: [{ path }] }), { signal: enough.signal })) {
      for (const { part } of parts) if (part.case === "data") have = Buffer.concat([have, part.value]);
      if (have.length > 0) enough.abort();
    }
  } catch {
    assert.ok(enough.signal.aborted);
  }
  assert.ok(have.length > 0);
  const item = { path, offset: BigInt(have.length), tailHash: digest(have) };
  const rest = (await fetched(guest, buildId, [item])).get(path);
  assert.equal(rest?.offset, have.length);
  const nar = zstdDecompressSync(Buffer.concat([have, rest?.bytes ?? Buffer.alloc(0)]));
  assert.deepEqual(nar, builder.nix.valid.get(path as never)?.nar);
  assert.equal(readsOf(builder), 1);
  const [name = ""] = await entriesOf(builder, 1);
  assert.match(await readFile(join(builder.folder, "cache", name), "utf8"), /^FileHash: sha256:/m);
});
