import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openState } from "../../src/state/open.ts";
import type { State } from "../../src/state/state.ts";
import { called, Model } from "./model.ts";
import { end, id, keyOwner, request, ticket, ticketOwner } from "./samples.ts";

interface Real {
  state: State;
  now: number;
}

type Command = fc.AsyncCommand<Model, Real>;

const small = fc.nat({ max: 2 });
const client = fc.nat({ max: 1 });
const build = fc.nat({ max: 5 });
const digest = fc.constantFrom("d1", "d1", "d1", "d2");

test("no sequence of openings, starts, ends, revocations, clock jumps and restarts loses or doubles a use", async () => {
  const reserving = fc
    .tuple(
      build,
      fc.option(small, { nil: undefined, freq: 8 }),
      client,
      digest,
      fc.option(build, { nil: undefined, freq: 2 }),
    )
    .map(args => command(`reserve ${args}`, reserve(...args)));
  const committing = build.map(n => command(`commit ${n}`, commit(n)));
  const commands = fc.commands(
    [
      reserving,
      reserving,
      reserving,
      fc.tuple(build, build).map(([n, from]) => command(`take over ${from} as ${n}`, takeOver(n, from))),
      committing,
      committing,
      build.map(n => command(`refund ${n}`, finish(n, "refund"))),
      build.map(n => command(`finish ${n}`, finish(n, "finish"))),
      small.map(n => command(`revoke ${n}`, revoke(n))),
      fc.integer({ min: -900, max: 300 }).map(by => command(`clock ${by}`, jump(by))),
      fc.constant(command("restart", restart)),
    ],
    { maxCommands: 40, size: "max" },
  );
  await fc.assert(fc.asyncProperty(commands, runOnce), { numRuns: 60 });
});

// Thousands of flushes: on a disk they would take minutes, and what a disk keeps is the matter of crash.test.ts.
const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
let folder = "";

async function runOnce(commands: Iterable<Command>): Promise<void> {
  folder = mkdtempSync(join(memory, "drv-thru-model-"));
  const real: Real = { state: await openState(folder), now: 2000 };
  try {
    const model = new Model();
    for (const [n, uses] of [1, 2, undefined].entries()) {
      model.tickets.set(n, { uses, expiresAt: 3000, revoked: false });
      await real.state.createTicket(ticket(n, { uses, expiresAt: 3000 }));
    }
    await fc.asyncModelRun(() => ({ model, real }), commands);
  } finally {
    await real.state.close();
    rmSync(folder, { recursive: true });
  }
}

function command(name: string, step: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    toString: () => name,
    async run(model, real) {
      await step(model, real);
      agree(model, real.state);
    },
  };
}

/** Every count and every build is what the model says. */
function agree(model: Model, state: State): void {
  for (const [n, expected] of model.tickets) {
    const { committed, reserved, uses, revokedAt } = state.ticket(id.ticket(n)) ?? {};
    assert.equal(committed, model.used(n, "committed"));
    assert.equal(reserved, model.used(n, "reserved"));
    assert.equal(revokedAt !== undefined, expected.revoked);
    assert((committed ?? 0) + (reserved ?? 0) <= (uses ?? Number.POSITIVE_INFINITY), "more uses than it has");
  }
  for (const [n, expected] of model.builds) {
    const found = state.build(id.build(n));
    assert.deepEqual([found?.use, found?.end !== undefined], [expected.use, expected.ended]);
  }
  const unfinished = [...model.builds].filter(([, { ended }]) => !ended).map(([n]) => id.build(n));
  assert.deepEqual(new Set(state.unfinished().map(found => found.id)), new Set(unfinished));
  assert.equal(state.recent(100).length, model.builds.size - unfinished.length);
}

function reserve(
  n: number,
  ticketNumber: number | undefined,
  client: number,
  digest: string,
  insteadOf: number | undefined,
) {
  return async (model: Model, { state, now }: Real) => {
    const owner = ticketNumber === undefined ? keyOwner(client) : ticketOwner(ticketNumber, client);
    const asked = request(n, owner, { digest, ...(insteadOf === undefined ? {} : { insteadOf: id.build(insteadOf) }) });
    const expected = model.reserve(n, { ticket: ticketNumber, client, digest }, insteadOf, now);
    assert.equal(called(await state.reserve(asked, now), asked), expected);
  };
}

/** A client that begins anew names its own earlier build. */
function takeOver(n: number, from: number) {
  return async (model: Model, real: Real) => {
    const { ticket: ticketNumber, client: clientNumber, digest: same } = model.builds.get(from) ?? {};
    await reserve(n, ticketNumber, clientNumber ?? 0, same ?? "d1", from)(model, real);
  };
}

function commit(n: number) {
  return async (model: Model, { state, now }: Real) => {
    const found = model.builds.get(n);
    const spends = found?.use === "reserved" && !found.ended;
    if (spends) found.use = "committed";
    assert.equal(await state.commit(id.build(n), now), spends);
  };
}

function finish(n: number, how: "refund" | "finish") {
  return async (model: Model, { state, now }: Real) => {
    const found = model.builds.get(n);
    if (how === "finish" && found?.use === "reserved" && !found.ended) {
      await assert.rejects(state.finish(id.build(n), end(now)));
      return;
    }
    if (found !== undefined && !found.ended) {
      found.ended = true;
      if (how === "refund") found.use = "refunded";
    }
    await state[how](id.build(n), end(now));
  };
}

function revoke(n: number) {
  return async (model: Model, { state, now }: Real) => {
    const known = model.tickets.get(n);
    const held = [...model.builds].filter(([, found]) => found.ticket === n && found.use === "reserved");
    if (known !== undefined) {
      known.revoked = true;
      for (const [, found] of held) found.use = "refunded";
    }
    const answer = await state.revokeTicket(id.ticket(n), now);
    assert.equal(answer !== undefined, known !== undefined);
    assert.deepEqual(
      new Set(answer?.refunded),
      new Set(known === undefined ? [] : held.map(([number]) => id.build(number))),
    );
  };
}

function jump(by: number) {
  return async (_: Model, real: Real) => {
    real.now += by;
  };
}

async function restart(_: Model, real: Real): Promise<void> {
  await real.state.close();
  real.state = await openState(folder);
}
