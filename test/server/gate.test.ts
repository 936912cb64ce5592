import assert from "node:assert/strict";
import { test } from "node:test";
import { gateOfSession, guestGate } from "../../src/server/access.ts";
import type { Guest } from "../../src/server/principal.ts";
import { builder, clientId, door, endpoint, proofs, refusal, seed } from "./door.ts";

const me = endpoint(1);
const trusted = [{ id: clientId(1), name: "alex", maxBuildSeconds: 1, maxUploadBytes: 1 }];

test("calls that come before Present wait for it, and are then answered", async t => {
  const at = await door(t, trusted);
  const client = at.guest(me);
  const early = [
    refusal(client.inspect({ id: "abcd" })),
    refusal(client.create({})),
    refusal(client.list({})[Symbol.asyncIterator]().next()),
  ];
  await client.present({ proofs: proofs(me, seed(1)) });
  for (const answer of await Promise.all(early)) assert.equal(answer.reason, "NOT_PERMITTED");
});

test("as many calls wait as may, and one more is refused at once", async () => {
  const gate = guestGate({ peer: me, local: builder }, { maxWaiting: 3 });
  const { signal } = new AbortController();
  const waiting = [1, 2, 3].map(() => gate.principal(signal));
  assert.equal((await refusal(gate.principal(signal))).reason, "LIMIT");
  gate.settle(guest);
  for (const answer of await Promise.all([...waiting, gate.principal(signal)])) assert.equal(answer, guest);
});

test("attack: a connection over the network without a proven end passes for the local socket", async () => {
  const { signal } = new AbortController();
  assert.equal(
    (await gateOfSession({ calls: "one", peer: undefined, local: undefined }).principal(signal)).kind,
    "administrator",
  );
  const unproven = [
    { calls: "many", peer: undefined, local: undefined },
    { calls: "many", peer: me, local: undefined },
    { calls: "one", peer: undefined, local: builder },
    { calls: "many", peer: "no id", local: builder },
  ] as const;
  for (const session of unproven) {
    assert.equal((await refusal(gateOfSession(session).principal(signal))).reason, "NOT_PERMITTED");
  }
});

test("a caller that leaves makes room for another", async () => {
  const gate = guestGate({ peer: me, local: builder }, { maxWaiting: 1 });
  const leaving = new AbortController();
  const left = gate.principal(leaving.signal);
  leaving.abort(new Error("left"));
  await assert.rejects(left, /left/);
  const stays = gate.principal(new AbortController().signal);
  gate.settle(guest);
  assert.equal(await stays, guest);
});

test("whoever never presents is refused when the time is over", async t => {
  const at = await door(t, trusted);
  const client = at.guest(me, { maxWaitMs: 20 });
  const late = await refusal(client.inspect({ id: "abcd" }));
  assert.equal(late.reason, "NOT_PERMITTED");
  assert.match(late.message, /nobody was presented on this connection within 20 ms/);
  await client.present({ proofs: proofs(me, seed(1)) });
});

test("attack: a connection guesses on: Present is answered as often as may be, and then no more", async t => {
  const at = await door(t);
  const client = at.guest(me, { maxKnocks: 2 });
  const knock = async () => (await refusal(client.present({ proofs: proofs(me, seed(1)) }))).reason;
  assert.deepEqual(
    [await knock(), await knock(), await knock()],
    ["CLIENT_NOT_TRUSTED", "CLIENT_NOT_TRUSTED", "LIMIT"],
  );
});

test("a refused Present opens nothing", async t => {
  const at = await door(t);
  const client = at.guest(me, { maxWaitMs: 20 });
  assert.equal((await refusal(client.present({ proofs: proofs(me, seed(1)) }))).reason, "CLIENT_NOT_TRUSTED");
  assert.match((await refusal(client.inspect({ id: "abcd" }))).message, /nobody was presented/);
});

const guest: Guest = {
  kind: "guest",
  owner: { credential: { kind: "client-key", id: clientId(1) }, client: clientId(1) },
  name: "client:alex",
  standing: undefined,
  maxBuildSeconds: undefined,
  maxUploadBytes: undefined,
  peer: me,
};
