import assert from "node:assert/strict";
import { test } from "node:test";
import { openState, stateOver } from "../../src/state/open.ts";
import { Tables } from "../../src/state/tables.ts";
import { counted, databaseWith, type History } from "./history.ts";
import { end, folder, id, keyOwner, request, ticket, ticketOwner } from "./samples.ts";

/** What is read from the database for one build, and for what the status says of the last ones. */
async function readsOfOneBuild(path: string, history: History): Promise<Record<string, number>> {
  const { root, reads } = counted(databaseWith(path, history));
  const state = stateOver(root, new Tables(root));
  const cost: Record<string, number> = {};
  const measure = async (what: string, work: () => unknown) => {
    const before = reads.count;
    await work();
    cost[what] = reads.count - before;
  };
  const mine = 1_000_000;
  await state.createTicket(ticket(mine, { uses: 9, createdAt: mine, expiresAt: 2 * mine }));
  await measure("redeem", () => state.reserve(request(mine, ticketOwner(mine, 9)), mine));
  await measure("commit", () => state.commit(id.build(mine), mine));
  await measure("finish", () => state.finish(id.build(mine), end(mine)));
  await measure("forget", async () => assert.equal((await state.forget(history.builds)).length, 1));
  await measure("status", () => assert.equal(state.recent(20).length, 20));
  await measure("status of a guest", () => assert.equal(state.buildsOf(keyOwner(1), 20).length, 20));
  await measure("ticket by a prefix", () => assert.equal(state.ticketsByPrefix(id.ticket(mine), 5).length, 1));
  await measure("revoke", () => state.revokeTicket(id.ticket(mine), mine));
  await state.close();
  return cost;
}

test("a build, the status and a ticket's look-up read as much with 3,000 tickets and builds behind them as with 100", async t => {
  const few = await readsOfOneBuild(folder(t), { tickets: 100, builds: 100 });
  const many = await readsOfOneBuild(folder(t), { tickets: 3_000, builds: 3_000 });
  assert.deepEqual(many, few);
  assert.ok(
    Object.values(many).every(reads => reads <= 50),
    JSON.stringify(many),
  );
});

test("what is forgotten of many credentials is always of the one with most, what was given back first", async t => {
  const state = await openState(folder(t));
  const ending = async (n: number, client: number, how: "refund" | "finish") => {
    await state.reserve(request(n, keyOwner(client)), n);
    if (how === "finish") await state.commit(id.build(n), n);
    await state[how](id.build(n), end(n));
  };
  for (const [n, client] of [1, 2, 2, 3, 3, 3].entries()) await ending(n, client, n === 4 ? "refund" : "finish");
  assert.deepEqual(await state.forget(5), [id.build(4)], "the one with most, and there what was given back");
  assert.deepEqual(await state.forget(4), [id.build(1)], "of two with equally many, the oldest");
  assert.deepEqual(await state.forget(3), [id.build(3)]);
  await ending(9, 1, "refund");
  assert.deepEqual(await state.forget(2), [id.build(9), id.build(0)]);
  assert.deepEqual(await state.forget(0), [id.build(2), id.build(5)]);
  await state.close();
});

test("a database whose ended builds nobody has counted is counted when it is opened", async t => {
  const path = folder(t);
  const root = databaseWith(path, { tickets: 3, builds: 30 });
  for (const name of ["ended-builds-of-credential", "ended-builds-counted", "ended-builds-places"]) {
    const index = root.openDB({ name });
    await root.transaction(() => {
      for (const key of [...index.getKeys()]) index.remove(key);
    });
  }
  await root.close();
  const state = await openState(path);
  const forgotten = await state.forget(10);
  assert.equal(forgotten.length, 20);
  assert.equal(forgotten[0], id.build(0));
  assert.equal(state.recent(100).length, 10);
  await state.close();
});
