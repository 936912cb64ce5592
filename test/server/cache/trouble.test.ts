import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import type { PathInfo } from "../../../src/nix/path-info.ts";
import { hashPart, type StorePath } from "../../../src/nix/store-path.ts";
import { derivation } from "../../fakes/make-path.ts";
import { FakeStore } from "../../fakes/store.ts";
import { until } from "../../until.ts";
import { begin, fetched, outcomeOf, refused } from "../calls.ts";
import { world } from "../world.ts";
import { built, entriesOf, large, readsOf } from "./built.ts";

async function assertServed({ builder, guest, buildId, outs }: Awaited<ReturnType<typeof built>>): Promise<void> {
  const files = await fetched(guest, buildId, outs);
  for (const out of outs) {
    assert.deepEqual(zstdDecompressSync(files.get(out)?.bytes ?? ""), builder.nix.valid.get(out as StorePath)?.nar);
  }
}

test("a cache that cannot write any more lets outputs through straight from Nix, and leaves nothing broken", async t => {
  const made = await built(t, [large(), "small"]);
  const cache = join(made.builder.folder, "cache");
  await rm(join(cache, "tmp"), { recursive: true });
  await writeFile(join(cache, "tmp"), "a file where a folder should be");
  await assertServed(made);
  assert.deepEqual(await entriesOf(made.builder, 0), []);
  assert.deepEqual(await readdir(join(cache, "nar")), []);
});

test("a cache folder that somebody removes while the builder runs costs no download", async t => {
  const made = await built(t, [large(), "small"]);
  await entriesOf(made.builder, 0);
  await rm(join(made.builder.folder, "cache"), { recursive: true });
  await assertServed(made);
});

test("a builder whose cache folder cannot be used serves all the same", async t => {
  const builder = await world(t);
  // Its cache writes the key last when it opens.
  while (!existsSync(join(builder.folder, "cache", "signing-public.key"))) await new Promise(setImmediate);
  await builder.crash();
  await rm(join(builder.folder, "cache"), { recursive: true });
  await writeFile(join(builder.folder, "cache"), "a file where a folder should be");
  await builder.start();
  const guest = await builder.anyone();
  const drv = derivation({ name: "made" });
  const buildId = await begin(guest, [drv]);
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  await assertServed({ builder, guest, buildId, outs: [drv.outputs["out"] as StorePath], drvs: [drv] });
});

test("a cache folder that was open to others is closed at the next start", async t => {
  const { builder } = await built(t, ["small"]);
  await builder.crash();
  const cache = join(builder.folder, "cache");
  await chmod(cache, 0o755);
  await builder.start();
  await entriesOf(builder, 0);
  await until("the cache's folder is closed", async () => ((await stat(cache)).mode & 0o777) === 0o700);
});

test("what does not belong into the cache, and what a crash left, is swept at the next start", async t => {
  const { builder, guest, buildId, outs } = await built(t, ["small"]);
  await fetched(guest, buildId, outs);
  await entriesOf(builder, 1);
  await builder.crash();
  const cache = join(builder.folder, "cache");
  await writeFile(join(cache, "tmp", "17"), "half of something");
  await writeFile(join(cache, "nar", "unknown.nar.zst"), "named by nobody");
  await writeFile(join(cache, `${"0".repeat(32)}.narinfo`), "StorePath: /nix/store/half");
  await mkdir(join(cache, "nar", "folder"));
  await builder.start();
  const again = builder.connect(guest.principal);
  const reads = readsOf(builder);
  await fetched(again, buildId, outs);
  assert.equal(readsOf(builder), reads);
  await entriesOf(builder, 1);
  assert.equal((await readdir(join(cache, "nar"))).length, 1);
  assert.deepEqual(await readdir(join(cache, "tmp")), []);
});

test("a cached file that somebody reads is not removed to make room", async t => {
  // More than what is on its way to a client that does not read.
  const [one, two, three] = [large(3), large(3), large(3)];
  const made = await built(t, [one, two, three], { limits: { maxCacheBytes: 3_000_000 } });
  const { builder, guest, buildId, outs } = made;
  await fetched(guest, buildId, outs.slice(0, 1));
  const names = await entriesOf(builder, 1);
  const slow = guest.cache
    .fetch(
      (async function* () {
        yield { buildId, items: [{ path: outs[0] ?? "" }] };
      })(),
    )
    [Symbol.asyncIterator]();
  await slow.next();
  await fetched(guest, buildId, outs.slice(1));
  assert.deepEqual(await entriesOf(builder, 1), names);
  for (let next = await slow.next(); !next.done; ) next = await slow.next();
  await fetched(guest, buildId, outs.slice(1, 2));
  await entriesOf(builder, 1);
  assert.notDeepEqual(await entriesOf(builder, 1), names);
});

for (const maxCacheFills of [1, 2]) {
  test(`${maxCacheFills} paths fill the cache at once, and no more`, async t => {
    const made = await built(t, [large(), large(), large(), large()], { limits: { maxCacheFills } });
    const readers = slowNars(t, 50);
    await assertServed(made);
    assert.equal(readers.most, maxCacheFills);
  });
}

test("attack: somebody's huge paths take all fills; another's path goes past the cache", async t => {
  const made = await built(t, [large(), "small"], { limits: { maxCacheFills: 1, cachePatience: 20 } });
  const { builder, guest, buildId, outs } = made;
  const [huge = "", small = ""] = outs;
  const held = Promise.withResolvers<void>();
  const original = FakeStore.prototype.nars;
  t.mock.method(FakeStore.prototype, "nars", async function* (this: FakeStore, infos: readonly PathInfo[]) {
    if (infos[0]?.path === huge) await held.promise;
    yield* original.call(this, infos);
  });
  const waiting = fetched(guest, buildId, [huge]);
  while (readsOf(builder) + [...builder.nix.connections].length < 1) await new Promise(setImmediate);
  await fetched(guest, buildId, [small]);
  held.resolve();
  await waiting;
  assert.equal((await entriesOf(builder, 1))[0], `${hashPart(huge as StorePath)}.narinfo`);
});

test("attack: one guest opens downloads until the builder has no files left to open; another still fetches", async t => {
  const made = await built(t, ["small"], { limits: { maxFetchCallsOfOwner: 3, maxFetchCalls: 4 } });
  const { builder, guest, buildId, outs, drvs } = made;
  const leave = Promise.withResolvers<void>();
  async function* silent() {
    yield { buildId, items: [] };
    await leave.promise;
  }
  const held = Array.from({ length: 3 }, () => guest.cache.fetch(silent())[Symbol.asyncIterator]().next());
  const other = await builder.anyone();
  const theirs = await begin(other, drvs);
  while ((await refused(fetched(guest, buildId, outs))) !== "LIMIT") await new Promise(setImmediate);
  assert.equal((await fetched(other, theirs, outs)).size, 1);
  leave.resolve();
  await Promise.all(held);
  assert.equal((await fetched(guest, buildId, outs)).size, 1);
});

/** Lets each reading of a NAR take its time, and counts those that go on at once. */
function slowNars(t: TestContext, milliseconds: number): { most: number } {
  const readers = { now: 0, most: 0 };
  const original = FakeStore.prototype.nars;
  t.mock.method(FakeStore.prototype, "nars", async function* (this: FakeStore, infos: readonly PathInfo[]) {
    readers.now += 1;
    readers.most = Math.max(readers.most, readers.now);
    try {
      await new Promise(resolve => setTimeout(resolve, milliseconds));
      yield* original.call(this, infos);
    } finally {
      readers.now -= 1;
    }
  });
  return readers;
}
