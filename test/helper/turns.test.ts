import assert from "node:assert/strict";
import { test } from "node:test";
import { TooManyWait, Turns } from "../../src/helper/turns.ts";

const never = new AbortController().signal;

test("whoever has fewest running is next, and nobody takes all turns", async () => {
  const turns = new Turns({ atOnce: 3, ofOne: 2, waitingOfOne: 9 });
  const order: string[] = [];
  const leaves = new Map<string, () => void>();
  const take = async (name: string) => {
    leaves.set(name, await turns.take(name.slice(0, 1), never));
    order.push(name);
  };
  const taken = ["a1", "a2", "a3", "a4", "b1", "c1"].map(take);
  await Promise.all([taken[0], taken[1], taken[4]]);
  assert.deepEqual(order, ["a1", "a2", "b1"], "two of a, and the place that is not theirs for b");
  leaves.get("a1")?.();
  await taken[5];
  assert.deepEqual(order.slice(3), ["c1"], "c has none yet, a has one");
  leaves.get("b1")?.();
  await taken[2];
  leaves.get("a2")?.();
  await taken[3];
  assert.deepEqual(order.slice(4), ["a3", "a4"]);
});

test("as many of one user wait as may, one more is refused, and whoever gives up makes room", async () => {
  const turns = new Turns({ atOnce: 1, ofOne: 1, waitingOfOne: 2 });
  const leave = await turns.take("a", never);
  const gone = new AbortController();
  const first = turns.take("a", gone.signal);
  const second = turns.take("a", never);
  await assert.rejects(turns.take("a", never), TooManyWait);
  const other = turns.take("b", never);
  gone.abort(new Error("gone"));
  await assert.rejects(first, /gone/);
  const third = turns.take("a", never);
  leave();
  (await second)();
  (await other)();
  (await third)();
  (await turns.take("a", never))();
});
