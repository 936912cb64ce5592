import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import type { ClientId, EndpointId, TicketId } from "../../src/lib/ids.ts";
import { StreamCode } from "../../src/lib/stream.ts";
import { guestGate } from "../../src/server/access.ts";
import type { Gate, Guest } from "../../src/server/principal.ts";
import { type SessionLimits, Sessions } from "../../src/server/sessions.ts";
import type { Credential } from "../../src/tickets/use.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { builder, endpoint } from "./door.ts";

const ticket = (n: number): Credential => ({ kind: "ticket", id: n.toString(16).padStart(64, "a") as TicketId });
const client = "c1".repeat(32) as ClientId;

function guest(credential: Credential, peer: EndpointId): Guest {
  const limits = { standing: undefined, maxBuildSeconds: undefined, maxUploadBytes: undefined };
  return { kind: "guest", owner: { credential, client }, name: "ticket:friend", ...limits, peer };
}

/** Connections to a builder, and what became of them. */
function arrivals(t: TestContext, limits: Partial<SessionLimits>) {
  const gates = new Map<unknown, Gate>();
  const log = pino({ level: "silent" });
  const gate = (session: object) => {
    const made = guestGate({ peer: endpoint(1), local: builder });
    gates.set(session, made);
    return made;
  };
  const sessions = new Sessions({ handlers: [], gate, log, limits });
  t.after(() => sessions.close(0));
  const arrive = (peer: number) => {
    const pair = memoryPair({ clientId: endpoint(peer), serverId: builder });
    t.after(() => pair.close());
    let admitted = false;
    sessions.take(
      Object.assign(pair.server, {
        admit: () => {
          admitted = true;
        },
      }),
    );
    return {
      ...pair,
      admitted: () => admitted,
      present: async (credential: Credential) => {
        gates.get(pair.server)?.settle(guest(credential, endpoint(peer)));
        await new Promise(setImmediate);
      },
      refused: async () => (await pair.client.closed).code === StreamCode.refused,
    };
  };
  return { sessions, arrive };
}

test("as many connections of one ticket as may be are admitted, and one more is sent away; another's are not", async t => {
  const { sessions, arrive } = arrivals(t, { ofCredential: 2 });
  const first = arrive(1);
  const second = arrive(2);
  for (const connection of [first, second]) await connection.present(ticket(1));
  assert.deepEqual([first.admitted(), second.admitted(), sessions.known], [true, true, 2]);
  const third = arrive(3);
  await third.present(ticket(1));
  assert.deepEqual([await third.refused(), third.admitted(), sessions.known], [true, false, 2]);
  const other = arrive(4);
  await other.present(ticket(2));
  assert.deepEqual([other.admitted(), sessions.known], [true, 3]);
  await first.client.close();
  await first.server.closed;
  const fourth = arrive(5);
  await fourth.present(ticket(1));
  assert.deepEqual([fourth.admitted(), sessions.known], [true, 3]);
});

test("as many connections as may be are admitted of everybody together, and one more is sent away", async t => {
  const { sessions, arrive } = arrivals(t, { known: 2 });
  for (const n of [1, 2]) await arrive(n).present(ticket(n));
  const third = arrive(3);
  await third.present(ticket(3));
  assert.deepEqual([await third.refused(), third.admitted(), sessions.known], [true, false, 2]);
});

test("attack: one endpoint opens connections without end; as many as may be are served", async t => {
  const { arrive } = arrivals(t, { ofPeer: 2 });
  const served = [arrive(1), arrive(1)];
  assert.equal(await arrive(1).refused(), true);
  await served[0]?.present(ticket(1));
  assert.equal(served[0]?.admitted(), true);
  await served[0]?.client.close();
  await served[0]?.server.closed;
  const again = arrive(1);
  await again.present(ticket(1));
  assert.equal(again.admitted(), true);
});
