import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { BuildOutcome, BuildState } from "../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import { Failure } from "../../src/lib/failure.ts";
import type { BuildId, ClientId } from "../../src/lib/ids.ts";
import type { BuildEnd } from "../../src/state/state.ts";
import { derivation, type MadeDerivation, sourcePath, unprovenPath } from "../fakes/make-path.ts";
import type { FakeNix } from "../fakes/nix.ts";
import {
  begin,
  closure,
  missing,
  open,
  outcomeOf,
  put,
  randomId,
  refused,
  resultOf,
  until,
  upload,
  watch,
} from "./calls.ts";
import { world } from "./world.ts";

/** A derivation whose build ends when the returned function is called. */
function held(nix: FakeNix, name: string): { drv: MadeDerivation; finish: () => void; begun: Promise<void> } {
  const drv = derivation({ name });
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  nix.script(drv.info.path, async ({ signal, log }) => {
    begun.resolve();
    log(`building ${name}`);
    await Promise.race([gate.promise, new Promise((_, reject) => signal.addEventListener("abort", reject))]);
    return undefined;
  });
  return { drv, finish: gate.resolve, begun: begun.promise };
}

test("a watcher that was cut off goes on after the last event it saw", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket();
  const client = randomId<ClientId>();
  const first = builder.guest(ticket, client);
  const { drv, finish } = held(builder.nix, "long");
  const buildId = await begin(first, [drv]);
  const seen = await until(first, buildId, "logLine");
  first.kill();
  const again = builder.guest(ticket, client);
  finish();
  const rest = await watch(again, buildId, seen.seq);
  assert.equal(rest[0]?.seq, seen.seq + 1n);
  assert.equal(rest.at(-1)?.event.case, "result");
  assert.deepEqual(await watch(again, buildId, rest.at(-1)?.seq), []);
});

test("a reader that reads nothing slows no build", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const drv = derivation({ name: "talkative" });
  builder.nix.script(drv.info.path, async ({ log }) => {
    for (let line = 0; line < 5_000; line++) log(`${line} ${"x".repeat(200)}`);
    return undefined;
  });
  const buildId = await upload(guest, [drv]);
  const slow = guest.build.watch({ buildId })[Symbol.asyncIterator]();
  await guest.build.start({ buildId });
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  let events = 0;
  for (let next = await slow.next(); !next.done; next = await slow.next()) events += next.value.events.length;
  assert.ok(events > 5_000);
});

test("of a build whose dependency failed the result names that dependency, and not what only needed it", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const deep = derivation({ name: "deep" });
  const middle = derivation({ name: "middle", inputs: [deep] });
  const top = derivation({ name: "top", inputs: [middle] });
  const said = `builder for '${deep.info.path}' failed with exit code 3`;
  builder.nix.script(deep.info.path, async ({ log }) => {
    log(`error: builder for '${top.info.path}' failed, says a build's own log`);
    return { status: "permanent-failure", message: said };
  });
  const buildId = await upload(guest, [top], [deep, middle]);
  await guest.build.start({ buildId });
  const { outcome, message, failures, targets } = await resultOf(guest, buildId);
  assert.deepEqual([outcome, message], [BuildOutcome.FAILED, said]);
  assert.deepEqual(
    failures.map(failure => [failure.drvPath, failure.outcome, failure.message]),
    [[deep.info.path, BuildOutcome.FAILED, said]],
  );
  assert.deepEqual(
    targets.map(target => [target.drvPath, target.dependencyFailed]),
    [[top.info.path, true]],
  );
});

test("of a dependency of which Nix names only the output that failed, the result names the derivation", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const deep = derivation({ name: "deep" });
  const top = derivation({ name: "top", inputs: [deep] });
  const said = `output '${deep.outputs["out"]}' is not allowed to refer to the following paths:`;
  builder.nix.script(deep.info.path, async () => ({ status: "output-rejected", message: said }));
  const buildId = await upload(guest, [top], [deep]);
  await guest.build.start({ buildId });
  const { message, failures } = await resultOf(guest, buildId);
  assert.equal(message, said);
  assert.deepEqual(
    failures.map(failure => [failure.drvPath, failure.message]),
    [[deep.info.path, said]],
  );
});

for (const [name, write] of [
  ["built", "finish"],
  ["cancelled in the queue", "refund"],
] as const) {
  test(`a build that was ${name} when the disk was full is kept once there is room, with its use as it should be`, async t => {
    const builder = await world(t, { limits: { maxConcurrentBuilds: 1, keepAgainTime: 1 } });
    const other = held(builder.nix, "other");
    const [blocker, ticket] = [await builder.anyone(), await builder.ticket()];
    const guest = builder.guest(ticket);
    if (name !== "built") await begin(blocker, [other.drv]);
    const whole = builder.state[write];
    let attempts = 0;
    const kept = new Promise<void>(resolve => {
      t.mock.method(builder.state, write, async (id: BuildId, end: BuildEnd) => {
        if (++attempts < 3) throw Object.assign(new Error("no room"), { code: "ENOSPC" });
        await whole(id, end);
        resolve();
      });
    });
    const buildId = await begin(guest, [derivation({ name: "told" })]);
    if (name !== "built") await guest.build.cancel({ buildId });
    // Until then who asks is told to ask again.
    await kept;
    assert.equal(await outcomeOf(guest, buildId), name === "built" ? "BUILT" : "CANCELLED");
    const { reserved, committed } = builder.state.ticket(ticket) ?? {};
    assert.deepEqual([reserved, committed], name === "built" ? [0, 1] : [0, 0]);
    assert.deepEqual(
      builder.state.unfinished().map(build => build.installable),
      name === "built" ? [] : ["test"],
    );
    other.finish();
  });
}

test("a build that is let in while the builder begins to stop is ended, with its use given back, and does not hold up the stop", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket();
  const guest = builder.guest(ticket);
  const reserve = builder.state.reserve;
  t.mock.method(builder.state, "reserve", async (...asked: Parameters<typeof reserve>) => {
    const reserved = await reserve(...asked);
    builder.services.builds.drain();
    return reserved;
  });
  assert.equal(await refused(open(guest, [derivation({ name: "late" })])), "DRAINING");
  assert.deepEqual(builder.services.builds.live, []);
  assert.equal(builder.state.ticket(ticket)?.reserved, 0);
});

test("a quiet watch hears that it is alive", async t => {
  const builder = await world(t, { limits: { keepAlive: 5 } });
  const guest = await builder.anyone();
  const { drv, finish } = held(builder.nix, "quiet");
  const buildId = await begin(guest, [drv]);
  let empty = 0;
  for await (const { events } of guest.build.watch({ buildId })) {
    if (events.length === 0 && ++empty === 3) finish();
  }
  assert.ok(empty >= 3);
});

test("log lines beyond the limit are dropped, and that is said once", async t => {
  const builder = await world(t, { limits: { maxEventBytes: 10_000 } });
  const guest = await builder.anyone();
  const drv = derivation({ name: "talkative" });
  builder.nix.script(drv.info.path, async ({ log }) => {
    for (let line = 0; line < 1_000; line++) log("x".repeat(100));
    return undefined;
  });
  const events = await watch(guest, await begin(guest, [drv]));
  const lines = events.flatMap(({ event }) => (event.case === "logLine" ? [event.value.text] : []));
  assert.ok(lines.length < 110);
  assert.equal(lines.filter(line => line.includes("too long")).length, 1);
  assert.equal(events.at(-1)?.event.case, "result");
});

test("a cancelled build's daemon connection is closed when the answer comes, and its use is spent", async t => {
  const builder = await world(t);
  const guest = builder.guest(await builder.ticket());
  const { drv, begun } = held(builder.nix, "endless");
  const buildId = await begin(guest, [drv]);
  await begun;
  const { build } = await guest.build.cancel({ buildId });
  assert.equal(build?.state, BuildState.FINISHED);
  assert.equal(build?.result?.outcome, BuildOutcome.CANCELLED);
  assert.equal(builder.nix.connections.size, 0);
  assert.equal(await refused(open(guest, [drv])), "TICKET_EXHAUSTED");
});

test("a build cancelled before it has a slot gives its use back", async t => {
  const builder = await world(t);
  const guest = builder.guest(await builder.ticket());
  const { drv } = held(builder.nix, "never");
  const buildId = await upload(guest, [drv]);
  await guest.build.cancel({ buildId });
  assert.equal(await refused(open(guest, [drv])), "taken");
});

test("ten builds of one ticket do not hold up the first of another", async t => {
  const builder = await world(t);
  const greedy = await builder.anyone();
  const modest = await builder.anyone();
  const first = held(builder.nix, "first");
  const running = await begin(greedy, [first.drv]);
  await first.begun;
  const order: string[] = [];
  const queue = async (guest: typeof greedy, name: string) => {
    const drv = derivation({ name });
    builder.nix.script(drv.info.path, async () => {
      order.push(name);
      return undefined;
    });
    return { guest, buildId: await begin(guest, [drv]) };
  };
  const queued = [];
  for (let n = 0; n < 3; n++) queued.push(await queue(greedy, `greedy-${n}`));
  queued.push(await queue(modest, "modest"));
  const { build } = await modest.build.get({ buildId: queued.at(-1)?.buildId ?? new Uint8Array() });
  assert.equal(build?.queuePosition, 1);
  first.finish();
  await resultOf(greedy, running);
  for (const { guest, buildId } of queued) await resultOf(guest, buildId);
  assert.deepEqual(order, ["modest", "greedy-0", "greedy-1", "greedy-2"]);
});

test("a builder that was killed fails its unfinished builds and gives their uses back", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket({ uses: 2 });
  const client = randomId<ClientId>();
  const guest = builder.guest(ticket, client);
  const { drv, begun } = held(builder.nix, "interrupted");
  const running = await begin(guest, [drv]);
  await begun;
  const opened = await open(guest, [derivation({ name: "opened" })]);
  await builder.crash();
  await builder.start();
  const again = builder.guest(ticket, client);
  for (const buildId of [running, opened]) {
    const { message, reason, refunded } = await resultOf(again, buildId);
    assert.deepEqual(
      { message, reason, refunded },
      { message: "the builder restarted", reason: Reason.RESTARTED, refunded: true },
    );
  }
  assert.deepEqual(await readdir(join(builder.folder, "roots")), []);
  const found = builder.state.ticket(ticket);
  assert.deepEqual([found?.committed, found?.reserved], [0, 0]);
});

test("attack: a guest uploads and the builder is killed; what it had received stays counted", async t => {
  const builder = await world(t);
  const source = sourcePath("source", "x".repeat(1_000));
  const size = source.nar.length;
  const ticket = await builder.ticket({ uses: 2, maxUploadBytes: size });
  const client = randomId<ClientId>();
  const guest = builder.guest(ticket, client);
  const buildId = await open(guest, [derivation({ name: "a", sources: [source.info.path] })]);
  assert.equal((await missing(guest, buildId, [source])).length, 1);
  await put(guest, buildId, [source]);
  await builder.crash();
  builder.nix.valid.delete(source.info.path);
  // What a crash between two steps may leave.
  await mkdir(join(builder.folder, "builds", randomId()));
  await builder.start();
  const { build } = await builder.guest(ticket, client).build.get({ buildId });
  assert.equal(build?.uploadedBytes, BigInt(size));
  assert.equal(builder.state.ticket(ticket)?.receivedBytes, size);
  assert.equal(
    (await readdir(join(builder.folder, "builds"))).length,
    1,
    "of builds that nobody knows nothing is kept",
  );
});

test("a reservation without a connection is given back, one with a connection is not", async t => {
  const builder = await world(t, { limits: { graceTime: 20 } });
  const ticket = await builder.ticket();
  const gone = builder.guest(ticket);
  await open(gone, [derivation({ name: "d" })]);
  const next = builder.guest(ticket);
  assert.equal(await refused(open(next, [derivation({ name: "d" })])), "TICKET_IN_USE");
  gone.kill();
  while ((builder.state.ticket(ticket)?.reserved ?? 0) > 0) await new Promise(resolve => setTimeout(resolve, 5));
  assert.equal(await refused(open(next, [derivation({ name: "d" })])), "taken");
});

test("a build that nobody is attached to is cancelled", async t => {
  const builder = await world(t, { limits: { graceTime: 20 } });
  const ticket = await builder.ticket();
  const client = randomId<ClientId>();
  const guest = builder.guest(ticket, client);
  const { drv, begun } = held(builder.nix, "abandoned");
  const buildId = await begin(guest, [drv]);
  await begun;
  guest.kill();
  while (builder.services.builds.live.length > 0) await new Promise(resolve => setTimeout(resolve, 5));
  const { outcome, refunded } = await resultOf(builder.guest(ticket, client), buildId);
  assert.deepEqual({ outcome, refunded }, { outcome: BuildOutcome.CANCELLED, refunded: false });
});

test("a new build takes over the reservation that its owner's killed client left", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket();
  const client = randomId<ClientId>();
  const killed = builder.guest(ticket, client);
  const old = await open(killed, [derivation({ name: "old" })]);
  const again = builder.guest(ticket, client);
  const drv = derivation({ name: "new" });
  assert.equal(await refused(open(again, [drv])), "TICKET_IN_USE");
  killed.kill();
  while (builder.services.builds.live.some(build => build.connections.size > 0)) await new Promise(setImmediate);
  await open(again, [drv], { insteadOf: old });
  assert.equal((await resultOf(again, old)).outcome, BuildOutcome.CANCELLED);
  assert.equal(builder.state.ticket(ticket)?.reserved, 1);
});

test("a builder that drains refuses new builds and finishes what runs", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const { drv, finish, begun } = held(builder.nix, "last");
  const buildId = await begin(guest, [drv]);
  await begun;
  builder.services.builds.drain();
  assert.equal(await refused(open(guest, [derivation({ name: "late" })])), "DRAINING");
  finish();
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
});

test("a build that takes too long is ended, and spent", async t => {
  const builder = await world(t);
  const guest = await builder.anyone({ maxBuildSeconds: 1 });
  const { drv } = held(builder.nix, "endless");
  const { outcome, refunded } = await resultOf(guest, await begin(guest, [drv]));
  assert.deepEqual({ outcome, refunded }, { outcome: BuildOutcome.TIMED_OUT, refunded: false });
  assert.equal(builder.nix.connections.size, 0);
});

test("a daemon that dies during a build costs no use", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket();
  const guest = builder.guest(ticket);
  const drv = derivation({ name: "unlucky" });
  builder.nix.script(drv.info.path, async () => {
    throw new Failure("unreachable", "nix", "the Nix daemon closed the connection", { reason: "connection-lost" });
  });
  const { outcome, reason, refunded } = await resultOf(guest, await begin(guest, [drv]));
  assert.deepEqual([outcome, reason, refunded], [BuildOutcome.BUILDER_FAILED, Reason.NIX_UNAVAILABLE, true]);
  assert.equal(builder.state.ticket(ticket)?.committed, 0);
});

test("a full disk is the builder's fault", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const drv = derivation({ name: "unlucky" });
  builder.nix.script(drv.info.path, async () => {
    throw new Failure("failed", "nix", "writing: No space left on device", { reason: "disk-full" });
  });
  const { reason, refunded } = await resultOf(guest, await begin(guest, [drv]));
  assert.deepEqual([reason, refunded], [Reason.DISK_FULL, true]);
});

test("a build whose log speaks of a full disk is spent all the same", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const drv = derivation({ name: "liar" });
  builder.nix.script(drv.info.path, async () => ({ status: "permanent-failure", message: "No space left on device" }));
  const { outcome, refunded } = await resultOf(guest, await begin(guest, [drv]));
  assert.deepEqual([outcome, refunded], [BuildOutcome.FAILED, false]);
});

test("of two targets one fails: with keep going the other is built and can be fetched", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const good = derivation({ name: "good" });
  const bad = derivation({ name: "bad" });
  builder.nix.script(bad.info.path, async () => ({ status: "permanent-failure", message: "builder failed" }));
  const buildId = await begin(guest, [bad, good], [], { options: { keepGoing: true } });
  const { outcome, targets } = await resultOf(guest, buildId);
  assert.equal(outcome, BuildOutcome.FAILED);
  assert.deepEqual(
    targets.map(target => target.outcome),
    [BuildOutcome.FAILED, BuildOutcome.BUILT],
  );
  assert.equal((await closure(guest, buildId, good.outputs["out"] ?? "")).length, 1);
});

test("a rebuild of what was never built builds first and then compares", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const drv = derivation({ name: "again" });
  let runs = 0;
  builder.nix.script(drv.info.path, async () => {
    runs += 1;
    return runs < 3 ? undefined : { status: "not-deterministic", message: "the output differs" };
  });
  const rebuild = { options: { rebuild: true } };
  assert.equal(await outcomeOf(guest, await begin(guest, [drv], [], rebuild)), "BUILT");
  assert.equal(runs, 2);
  assert.equal(await outcomeOf(guest, await begin(guest, [drv], [], rebuild)), "NOT_DETERMINISTIC");
});

for (const [status, message, outcome] of [
  ["timed-out", "timed out after 3 seconds", "TIMED_OUT"],
  ["output-rejected", "hash mismatch in fixed-output derivation", "HASH_MISMATCH"],
  ["output-rejected", "output refers to what it may not", "FAILED"],
  ["permanent-failure", "hash mismatch in fixed-output derivation, says the log", "FAILED"],
] as const) {
  test(`a target that Nix calls ${status} with "${message}" is ${outcome}`, async t => {
    const builder = await world(t);
    const guest = await builder.anyone();
    const drv = derivation({ name: "failing" });
    builder.nix.script(drv.info.path, async () => ({ status, message }));
    assert.equal(await outcomeOf(guest, await begin(guest, [drv])), outcome);
  });
}

test("outputs that are valid already cost a use and no slot", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket({ uses: undefined });
  const guest = builder.guest(ticket);
  const drv = derivation({ name: "done" });
  await resultOf(guest, await begin(guest, [drv]));
  const { drv: other, begun } = held(builder.nix, "holds-the-slot");
  await begin(guest, [other]);
  await begun;
  assert.equal(await outcomeOf(guest, await begin(guest, [drv])), "BUILT");
  assert.equal(builder.state.ticket(ticket)?.committed, 3);
});

test("a closure with a path that nobody vouches for is refused before a byte", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const foreign = unprovenPath("foreign", "copied by hand");
  builder.nix.seed(foreign);
  const drv = derivation({ name: "leaky" });
  builder.nix.script(drv.info.path, async ({ produce }) => {
    produce("out", "text", [foreign.info.path]);
    return undefined;
  });
  const buildId = await begin(guest, [drv]);
  await resultOf(guest, buildId);
  assert.equal(await refused(closure(guest, buildId, drv.outputs["out"] ?? "")), "CANNOT_VOUCH");
});

test("with keep going a rebuild compares what could be built, beside what failed", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const [bad, good] = [derivation({ name: "bad" }), derivation({ name: "good" })];
  let runs = 0;
  builder.nix.script(bad.info.path, async () => ({ status: "permanent-failure", message: "builder failed" }));
  builder.nix.script(good.info.path, async () => {
    runs += 1;
    return undefined;
  });
  const rebuild = { options: { rebuild: true, keepGoing: true } };
  assert.equal(await outcomeOf(guest, await begin(guest, [bad, good], [], rebuild)), "FAILED");
  assert.equal(runs, 2);
});
