import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FairQueue } from "../../src/server/build/fair-queue.ts";

function queueOf(...names: readonly string[]) {
  const queue = new FairQueue<{ credential: string; client: string; name: string }>();
  for (const name of names) {
    const [credential = "", client = ""] = name;
    queue.add({ credential, client, name });
  }
  return queue;
}

function takeAll(queue: ReturnType<typeof queueOf>): string[] {
  const names: string[] = [];
  for (let next = queue.take(); next; next = queue.take()) names.push(next.name);
  return names;
}

test("credentials take turns, and the clients of one credential take turns", () => {
  assert.deepEqual(takeAll(queueOf("Aa1", "Aa2", "Ab1", "Bc1", "Bc2")), ["Aa1", "Bc1", "Ab1", "Bc2", "Aa2"]);
});

test("whoever was served last comes after newcomers", () => {
  const queue = queueOf("Aa1", "Aa2");
  assert.equal(queue.take()?.name, "Aa1");
  queue.add({ credential: "B", client: "b", name: "Bb1" });
  assert.deepEqual(takeAll(queue), ["Bb1", "Aa2"]);
});

test("the order that is shown is the order in which builds are taken", () => {
  const names = fc.array(fc.constantFrom("Aa", "Ab", "Bc", "Bd", "Ce"), { maxLength: 30 });
  fc.assert(
    fc.property(names, list => {
      const queue = queueOf(...list.map((name, index) => `${name}${index}`));
      const shown = queue.order().map(item => item.name);
      assert.deepEqual(takeAll(queue), shown);
    }),
  );
});

test("nobody waits longer than one turn of each other credential", () => {
  const queue = queueOf(...Array.from({ length: 100 }, (_, n) => `Aa${n}`), "Bb", "Cc");
  assert.deepEqual(takeAll(queue).slice(0, 3).sort(), ["Aa0", "Bb", "Cc"]);
});
