import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { open } from "lmdb";
import { claim } from "../../src/lib/claim.ts";
import { Failure } from "../../src/lib/failure.ts";
import { openState } from "../../src/state/open.ts";
import { end, folder, id, keyOwner, request, ticket, ticketOwner } from "./samples.ts";

test("tickets and builds come back whole after a restart", async t => {
  const path = folder(t);
  const first = await openState(path);
  const bound = ticket(1, { boundClient: id.client(1), uses: undefined });
  await first.createTicket(bound);
  const build = await first.reserve(request(1, ticketOwner(1, 1)), 5000);
  assert(typeof build !== "string");
  await first.commit(build.id, 6000);
  await first.finish(build.id, end(7000));
  await first.close();

  const second = await openState(path);
  assert.deepEqual(second.ticket(bound.id), { ...bound, committed: 1, receivedBytes: end(7000).uploadedBytes });
  assert.deepEqual(second.build(build.id), { ...build, use: "committed", committedAt: 6000, end: end(7000) });
  await second.close();
});

test("of 100 clients that open a build with a one-use ticket at once exactly one gets it", async t => {
  const state = await openState(folder(t));
  await state.createTicket(ticket(1));
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => state.reserve(request(n, ticketOwner(1, n)), 1)),
  );
  assert.equal(answers.filter(answer => typeof answer !== "string").length, 1);
  assert.equal(answers.filter(answer => answer === "ticket-in-use").length, 99);
  assert.equal(state.ticket(id.ticket(1))?.reserved, 1);
  await state.close();
});

test("the same build again is free, and with anything else it is refused", async t => {
  const state = await openState(folder(t));
  await state.createTicket(ticket(1));
  const build = await state.reserve(request(1, ticketOwner(1, 1)), 1);
  assert.deepEqual(await state.reserve(request(1, ticketOwner(1, 1)), 2), build);
  assert.equal(await state.reserve(request(1, ticketOwner(1, 1), { digest: "d2".repeat(32) }), 2), "build-differs");
  assert.equal(await state.reserve(request(1, ticketOwner(1, 2)), 2), "build-differs");
  assert.equal(state.ticket(id.ticket(1))?.reserved, 1);
  await state.close();
});

test("a build takes over its owner's reservation, but nobody else's", async t => {
  const state = await openState(folder(t));
  await state.createTicket(ticket(1));
  await state.reserve(request(1, ticketOwner(1, 1)), 1);
  assert.equal(await state.reserve(request(2, ticketOwner(1, 2), { insteadOf: id.build(1) }), 2), "build-unknown");
  assert.equal(await state.reserve(request(2, ticketOwner(1, 1), { insteadOf: id.build(9) }), 2), "build-unknown");
  const second = await state.reserve(request(2, ticketOwner(1, 1), { insteadOf: id.build(1) }), 2);
  assert(typeof second !== "string");
  assert.equal(state.build(id.build(1))?.use, "refunded");
  assert.equal(state.ticket(id.ticket(1))?.reserved, 1);
  assert.equal(await state.commit(id.build(1), 3), false);
  assert.equal(await state.commit(id.build(2), 3), true);
  assert.equal(await state.reserve(request(3, ticketOwner(1, 1), { insteadOf: id.build(2) }), 4), "ticket-exhausted");
  await state.close();
});

test("revoking gives back what is reserved, leaves what runs, and may be repeated", async t => {
  const state = await openState(folder(t));
  await state.createTicket(ticket(1, { uses: 3 }));
  await state.reserve(request(1, ticketOwner(1, 1)), 1);
  await state.reserve(request(2, ticketOwner(1, 2)), 1);
  await state.commit(id.build(1), 2);
  const revoked = await state.revokeTicket(id.ticket(1), 10);
  assert.deepEqual(revoked?.refunded, [id.build(2)]);
  assert.deepEqual(await state.revokeTicket(id.ticket(1), 20), { ticket: revoked?.ticket, refunded: [] });
  assert.equal(revoked?.ticket.revokedAt, 10);
  assert.equal(await state.commit(id.build(2), 3), false);
  await state.refund(id.build(2), end(4));
  assert.deepEqual(state.build(id.build(2))?.end, end(4));
  await state.refund(id.build(1), end(5));
  const { committed, reserved } = state.ticket(id.ticket(1)) ?? {};
  assert.deepEqual({ committed, reserved }, { committed: 0, reserved: 0 });
  assert.equal(await state.revokeTicket(id.ticket(2), 10), undefined);
  await state.close();
});

test("a client key has no uses to run out of", async t => {
  const state = await openState(folder(t));
  for (const n of [1, 2, 3]) assert(typeof (await state.reserve(request(n, keyOwner(1)), n)) !== "string");
  assert.deepEqual(
    state.buildsOf(keyOwner(1), 2).map(build => build.id),
    [id.build(3), id.build(2)],
  );
  assert.deepEqual(state.buildsOf(keyOwner(2), 2), []);
  await state.close();
});

test("ten people with one ticket do not see each other's builds", async t => {
  const state = await openState(folder(t));
  await state.createTicket(ticket(1, { uses: undefined }));
  for (let n = 0; n < 10; n++) await state.reserve(request(n, ticketOwner(1, n)), 1);
  for (let n = 0; n < 10; n++) {
    assert.deepEqual(
      state.buildsOf(ticketOwner(1, n), 100).map(build => build.id),
      [id.build(n)],
    );
  }
  await state.close();
});

test("finishing a build that never started is a mistake that leaves nothing behind", async t => {
  const state = await openState(folder(t));
  await state.createTicket(ticket(1));
  const build = await state.reserve(request(1, ticketOwner(1, 1)), 1);
  await assert.rejects(state.finish(id.build(1), end(2)), /ends by a refund/);
  assert.deepEqual(state.build(id.build(1)), build);
  await state.close();
});

test("only the newest ended builds are kept, and unfinished ones always", async t => {
  const state = await openState(folder(t));
  for (const n of [1, 2, 3, 4]) await state.reserve(request(n, keyOwner(1)), n);
  for (const n of [3, 1, 2]) await state.refund(id.build(n), end(100 - n));
  assert.deepEqual(
    state.recent(2).map(build => build.id),
    [id.build(1), id.build(2)],
  );
  assert.deepEqual(await state.forget(1), [id.build(3), id.build(2)]);
  assert.deepEqual(await state.forget(1), []);
  assert.deepEqual(
    state.buildsOf(keyOwner(1), 9).map(build => build.id),
    [id.build(4), id.build(1)],
  );
  assert.deepEqual(
    state.unfinished().map(build => build.id),
    [id.build(4)],
  );
  await state.close();
});

test("attack: a guest ends a hundred builds to push out what others have still to fetch", async t => {
  const state = await openState(folder(t));
  await state.createTicket(ticket(1));
  await state.reserve(request(1, ticketOwner(1, 1)), 1);
  await state.commit(id.build(1), 1);
  await state.finish(id.build(1), end(1));
  for (let n = 2; n <= 100; n++) {
    await state.reserve(request(n, keyOwner(2)), n);
    if (n % 2 === 0) await state.commit(id.build(n), n);
    await (n % 2 === 0 ? state.finish(id.build(n), end(n)) : state.refund(id.build(n), end(n)));
  }
  assert.equal((await state.forget(3)).length, 97);
  assert.deepEqual(
    state.recent(9).map(build => build.id),
    [id.build(100), id.build(98), id.build(1)],
  );
  await state.close();
});

test("tickets are listed oldest first and found by a prefix of their id", async t => {
  const state = await openState(folder(t));
  for (const n of [3, 1, 2]) await state.createTicket(ticket(n));
  assert.deepEqual(
    [...state.tickets()].map(each => each.name),
    ["ticket-1", "ticket-2", "ticket-3"],
  );
  assert.equal(state.ticketsByPrefix("a000", 2).length, 2);
  assert.deepEqual(
    state.ticketsByPrefix(id.ticket(2), 2).map(each => each.name),
    ["ticket-2"],
  );
  for (const prefix of ["", "b", "A000", "a000\u0000", "zz"])
    assert.deepEqual(state.ticketsByPrefix(prefix, 9), [], prefix);
  await state.close();
});

test("a second builder on the same folder is told who holds it", async t => {
  const path = folder(t);
  const state = await openState(path);
  await assert.rejects(openState(path), error => {
    return (
      error instanceof Failure &&
      error.message.includes(`${path} is held by`) &&
      error.message.includes(`${process.pid}`)
    );
  });
  await state.createTicket(ticket(1));
  await state.close();
  await (await openState(path)).close();
});

test("a second builder does not even open the database, which could cost the first one what it has just written", async t => {
  const path = folder(t);
  const held = await claim(join(path, "state"));
  mkdirSync(join(path, "state"));
  const file = join(path, "state/data.mdb");
  writeFileSync(file, "whoever opens this finds it damaged");
  await assert.rejects(openState(path), /is held by another drv-thru serve, process \d+/);
  await held?.release();
  await assert.rejects(openState(path), /is damaged/);
  assert.deepEqual(readdirSync(path), ["state"], "no claim is left");
});

test("a database of a newer version is refused and left alone", async t => {
  const path = folder(t);
  await (await openState(path)).close();
  const root = open<unknown, string>({ path: join(path, "state"), noSubdir: false, maxDbs: 16 });
  await root.put("format", 2);
  await root.close();
  await assert.rejects(openState(path), error => error instanceof Failure && /newer version/.test(error.message));
});

test("nobody else may read the state's files", async t => {
  const data = folder(t);
  const state = await openState(data);
  const path = join(data, "state");
  for (const name of [".", ...readdirSync(path)]) assert.equal(statSync(join(path, name)).mode & 0o077, 0, name);
  await state.close();
});

test("a folder that cannot be made is named", async () => {
  await assert.rejects(
    openState("/proc/drv-thru"),
    error => error instanceof Failure && error.message.includes("/proc/drv-thru"),
  );
});
