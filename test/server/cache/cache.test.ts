import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { sha256 } from "../../../src/nix/hash.ts";
import { parseNarInfo } from "../../../src/nix/narinfo.ts";
import { generateSecretKey, signerOf, signPath } from "../../../src/nix/signing-key.ts";
import { hashPart, type StorePath } from "../../../src/nix/store-path.ts";
import { begin, closure, fetched, outcomeOf } from "../calls.ts";
import { built, entriesOf, large, readsOf } from "./built.ts";

test("what is fetched once lies in the data folder as a binary cache of Nix", async t => {
  const content = large();
  const { builder, guest, buildId, outs } = await built(t, [content, "small"]);
  const files = await fetched(guest, buildId, outs);
  assert.equal(readsOf(builder), outs.length, "what is read from Nix for the guest is what fills the cache");
  const names = await entriesOf(builder, 2);
  assert.deepEqual(names.sort(), outs.map(out => `${hashPart(out)}.narinfo`).sort());
  const cache = join(builder.folder, "cache");
  assert.match(await readFile(join(cache, "nix-cache-info"), "utf8"), /^StoreDir: \/nix\/store$/m);
  for (const out of outs) {
    const told = parseNarInfo(await readFile(join(cache, `${hashPart(out)}.narinfo`), "utf8"));
    const file = await readFile(join(cache, told.url));
    assert.equal(told.compression, "zstd");
    assert.deepEqual([told.fileHash, told.fileSize], [sha256(file), file.length]);
    assert.deepEqual(zstdDecompressSync(file), builder.nix.valid.get(out)?.nar);
    assert.deepEqual(files.get(out)?.bytes, file);
    assert.equal(told.info.deriver, builder.nix.valid.get(out)?.info.deriver);
    assert.equal(signerOf(told.info, [builder.signingKey.public]), builder.signingKey.public);
  }
  assert.equal((await stat(cache)).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(cache, "tmp")), []);
});

test("a second guest is served from the cache: Nix is not asked for the NAR again", async t => {
  const { builder, guest, buildId, outs, drvs } = await built(t, [large(), "small"]);
  const first = await fetched(guest, buildId, outs);
  await entriesOf(builder, 2);
  const reads = readsOf(builder);
  const other = await builder.anyone();
  const second = await fetched(other, await begin(other, drvs), outs);
  assert.equal(readsOf(builder), reads);
  for (const out of outs) {
    assert.deepEqual(second.get(out)?.bytes, first.get(out)?.bytes);
    assert.equal(second.get(out)?.fileHash, sha256(second.get(out)?.bytes ?? ""));
  }
});

test("ten guests who ask at the same moment get one and the same fill", async t => {
  const { builder, outs, drvs } = await built(t, [large()]);
  const guests = await Promise.all(Array.from({ length: 10 }, () => builder.anyone()));
  const builds = await Promise.all(guests.map(guest => begin(guest, drvs)));
  const all = await Promise.all(guests.map((guest, n) => fetched(guest, builds[n] ?? new Uint8Array(), outs)));
  assert.equal(readsOf(builder), 1);
  const [first] = all;
  for (const files of all) assert.deepEqual(files.get(outs[0] ?? "")?.bytes, first?.get(outs[0] ?? "")?.bytes);
});

test("small paths are read from Nix together, and one that it has lost meanwhile fails alone", async t => {
  const contents = Array.from({ length: 20 }, (_, n) => `small ${n}`);
  const { builder, guest, buildId, outs } = await built(t, contents);
  for (const out of outs) await closure(guest, buildId, out);
  const [lost = "", ...others] = outs;
  builder.nix.valid.delete(lost as StorePath);
  await assert.rejects(fetched(guest, buildId, outs), /is not on the builder any more/);
  await entriesOf(builder, 19);
  assert.equal(readsOf(builder), 1);
  const files = await fetched(guest, buildId, others);
  assert.equal(files.size, 19);
  assert.equal(readsOf(builder), 1);
});

test("small paths come from memory until no more of them come, and are on disk when the builder has stopped", async t => {
  const contents = ["one", "two", "three"];
  const { builder, guest, buildId, outs, drvs } = await built(t, contents, { limits: { cacheQuietTime: 3_600_000 } });
  const first = await fetched(guest, buildId, outs);
  await entriesOf(builder, 0);
  const other = await builder.anyone();
  const second = await fetched(other, await begin(other, drvs), outs);
  for (const out of outs) assert.deepEqual(second.get(out)?.bytes, first.get(out)?.bytes);
  assert.equal(readsOf(builder), 1, "what waits for the disk is not read from Nix again");
  await builder.services.close();
  await entriesOf(builder, 3);
});

test("a large path is on disk at once, and with it the small ones that wait", async t => {
  const contents = ["small", large()];
  const { builder, guest, buildId, outs } = await built(t, contents, { limits: { cacheQuietTime: 3_600_000 } });
  await fetched(guest, buildId, outs);
  await entriesOf(builder, 2);
});

test("a builder that is started again serves what its cache holds", async t => {
  const { builder, outs, drvs, guest, buildId } = await built(t, [large(), "small"]);
  await fetched(guest, buildId, outs);
  await entriesOf(builder, 2);
  const reads = readsOf(builder);
  await builder.crash();
  await builder.start();
  const other = await builder.anyone();
  const files = await fetched(other, await begin(other, drvs), outs);
  assert.equal(readsOf(builder), reads);
  assert.deepEqual(
    zstdDecompressSync(files.get(outs[1] ?? "")?.bytes ?? ""),
    builder.nix.valid.get(outs[1] as never)?.nar,
  );
});

test("a changed signing key serves nothing that the old one has signed", async t => {
  const { builder, outs, drvs, guest, buildId } = await built(t, ["small"]);
  await fetched(guest, buildId, outs);
  await entriesOf(builder, 1);
  await builder.crash();
  const old = builder.signingKey;
  builder.signingKey = generateSecretKey(old.name);
  await builder.start();
  const other = await builder.anyone();
  const next = await begin(other, drvs);
  assert.equal(await outcomeOf(other, next), "BUILT");
  assert.deepEqual(await readdir(join(builder.folder, "cache", "nar")), []);
  await fetched(other, next, outs);
  const [name = ""] = await entriesOf(builder, 1);
  const { info } = parseNarInfo(await readFile(join(builder.folder, "cache", name), "utf8"));
  assert.equal(signerOf(info, [old.public]), undefined);
  assert.equal(signerOf(info, [builder.signingKey.public]), builder.signingKey.public);
});

test("a trusted signature is passed on beside the builder's own, in the cache too", async t => {
  const friend = generateSecretKey("friend-1");
  const { builder, outs, guest, buildId } = await built(t, ["small"], { nix: { trustedKeys: [friend.public] } });
  const out = outs[0] as StorePath;
  const made = builder.nix.valid.get(out);
  assert.ok(made);
  const theirs = signPath(made.info, friend);
  builder.nix.valid.set(out, { ...made, info: { ...made.info, ultimate: false, signatures: [theirs] } });
  const [told] = await closure(guest, buildId, out);
  assert.deepEqual(told?.signatures.length, 2);
  await fetched(guest, buildId, outs);
  const [name = ""] = await entriesOf(builder, 1);
  const { info } = parseNarInfo(await readFile(join(builder.folder, "cache", name), "utf8"));
  assert.deepEqual(info.signatures, told?.signatures);
  assert.ok(info.signatures.includes(theirs));
});

for (const [what, spoil] of [
  ["cut short", (file: Buffer) => file.subarray(0, file.length / 2)],
  ["of the right size with other bytes", (file: Buffer) => file.map((byte, at) => (at === 200 ? byte ^ 1 : byte))],
] as const) {
  for (const while_ of ["it runs", "it is stopped"] as const) {
    test(`a cached file that is ${what}, changed while ${while_}, is made again`, async t => {
      const { builder, outs, drvs, guest, buildId } = await built(t, [large()]);
      const first = await fetched(guest, buildId, outs);
      await entriesOf(builder, 1);
      if (while_ === "it is stopped") await builder.crash();
      const nars = join(builder.folder, "cache", "nar");
      const [name = ""] = await readdir(nars);
      await writeFile(join(nars, name), spoil(await readFile(join(nars, name))));
      if (while_ === "it is stopped") await builder.start();
      const reads = readsOf(builder);
      const other = await builder.anyone();
      const files = await fetched(other, await begin(other, drvs), outs);
      assert.deepEqual(files.get(outs[0] ?? "")?.bytes, first.get(outs[0] ?? "")?.bytes);
      assert.equal(readsOf(builder), reads + 1);
    });
  }
}

test("a cache at its limit forgets what was not used for the longest, and keeps within it", async t => {
  const contents = [0, 1, 2, 3].map(() => randomBytes(400_000).toString("hex"));
  const { builder, outs, guest, buildId } = await built(t, contents, { limits: { maxCacheBytes: 1_300_000 } });
  for (const out of outs.slice(0, 3)) await fetched(guest, buildId, [out]);
  await entriesOf(builder, 3);
  await fetched(guest, buildId, outs.slice(0, 1));
  await fetched(guest, buildId, outs.slice(3));
  await new Promise(resolve => setTimeout(resolve, 50));
  const names = await entriesOf(builder, 3);
  const kept = [outs[0], outs[2], outs[3]].map(out => `${hashPart(out as StorePath)}.narinfo`);
  assert.deepEqual(names.sort(), kept.sort());
  const sizes = await Promise.all(
    (await readdir(join(builder.folder, "cache", "nar"))).map(async name =>
      Number((await stat(join(builder.folder, "cache", "nar", name))).size),
    ),
  );
  assert.ok(sizes.reduce((sum, size) => sum + size) <= 1_300_000);
});

test("a path larger than the whole cache is served all the same", async t => {
  const { builder, outs, guest, buildId } = await built(t, [large()], { limits: { maxCacheBytes: 1_000 } });
  const files = await fetched(guest, buildId, outs);
  assert.deepEqual(
    zstdDecompressSync(files.get(outs[0] ?? "")?.bytes ?? ""),
    builder.nix.valid.get(outs[0] as never)?.nar,
  );
  assert.deepEqual(await entriesOf(builder, 0), []);
});

test("two paths of one content share an archive, and one of them may go", async t => {
  const { builder, outs, guest, buildId } = await built(t, ["same", "same"]);
  await fetched(guest, buildId, outs);
  await entriesOf(builder, 2);
  assert.equal((await readdir(join(builder.folder, "cache", "nar"))).length, 1);
});
