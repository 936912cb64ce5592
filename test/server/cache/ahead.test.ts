import assert from "node:assert/strict";
import { test } from "node:test";
import type { PathInfo } from "../../../src/nix/path-info.ts";
import { Ahead, FEW, MANY } from "../../../src/server/cache/ahead.ts";
import { unprovenPath } from "../../fakes/make-path.ts";

/** What begins to fill together, as indices, while paths of these sizes are sent one after the other. */
async function batches(sizes: readonly number[]): Promise<number[][]> {
  const { info } = unprovenPath("x", "x");
  const infos = sizes.map(narSize => ({ ...info, narSize }));
  const begun: number[][] = [];
  const prefetch = async (some: readonly PathInfo[]) => {
    begun.push(some.map(one => infos.indexOf(one)));
  };
  const ahead = new Ahead({ prefetch }, infos);
  for (const index of infos.keys()) await ahead.of(index);
  return begun;
}

test("large paths begin to fill a few ahead of the one that is sent, one for each that was", async () => {
  const begun = await batches(Array.from({ length: FEW + 2 }, () => 1 << 30));
  assert.deepEqual(
    begun.map(batch => batch.length),
    [FEW, 1, 1],
  );
  assert.deepEqual(begun.flat(), [...begun.flat().keys()]);
});

test("small paths begin to fill by many, up to the limit, and again when half of them are sent", async () => {
  const begun = await batches(Array.from({ length: 1000 }, () => 200));
  assert.equal(begun[0]?.length, MANY.paths);
  assert.ok(begun.slice(1, -1).every(batch => batch.length === MANY.paths / 2));
  assert.deepEqual(begun.flat(), [...Array(1000).keys()]);
});

test("no more bytes begin ahead than the limit, beside a few paths", async () => {
  const size = MANY.bytes / 16;
  assert.equal((await batches(Array.from({ length: 40 }, () => size)))[0]?.length, 16);
  assert.equal((await batches(Array.from({ length: 40 }, () => size + 1)))[0]?.length, 15);
  assert.equal((await batches(Array.from({ length: 40 }, () => MANY.bytes)))[0]?.length, FEW);
});
