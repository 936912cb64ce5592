import assert from "node:assert/strict";
import { test } from "node:test";
import { CredentialKind, Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { BuildId } from "../../src/lib/ids.ts";
import { parseTicket } from "../../src/tickets/text.ts";
import { builder, clientId, type Door, door, endpoint, proofs, refusal, seed, signingKey } from "./door.ts";

const me = endpoint(1);

test("a ticket's holder hears what it may do and what the builder is", async t => {
  const at = await door(t);
  const secret = await ticket(at, { name: "friend" });
  const answer = await at.guest(me).present({ proofs: proofs(me, seed(1), secret), clientVersion: "1" });
  assert.equal(answer.acceptedAs, "ticket:friend");
  assert.equal(answer.kind, CredentialKind.TICKET);
  assert.equal(answer.standing, Reason.UNSPECIFIED);
  assert.deepEqual([answer.maxBuildSeconds, answer.maxUploadBytes], [60n, 1000n]);
  assert.deepEqual([answer.signingKey, answer.builderVersion, answer.nixVersion], [signingKey, "1.2.3", "2.30"]);
  assert.deepEqual([answer.systems, answer.features, answer.maxPutStreams], [["x86_64-linux"], ["kvm"], 4]);
  assert.equal(answer.ticket?.usesCommitted, 0n);
});

test("a trusted client needs no ticket; its limits are those of the configuration", async t => {
  const at = await door(t, [
    { id: clientId(1), name: "alex", maxBuildSeconds: 60, maxUploadBytes: undefined },
    { id: clientId(2), name: undefined, maxBuildSeconds: undefined, maxUploadBytes: 5 },
  ]);
  const alex = await at.guest(me).present({ proofs: proofs(me, seed(1)) });
  assert.deepEqual([alex.acceptedAs, alex.maxBuildSeconds, alex.maxUploadBytes], ["client:alex", 60n, 0n]);
  const other = await at.guest(me).present({ proofs: proofs(me, seed(2)) });
  assert.deepEqual([other.acceptedAs, other.maxBuildSeconds, other.maxUploadBytes], [`client:${clientId(2)}`, 0n, 5n]);
});

test("the holder of the local socket is the administrator, whatever it presents", async t => {
  const at = await door(t);
  const answer = await at.administrator().present({});
  assert.deepEqual(
    [answer.acceptedAs, answer.kind, answer.signingKey],
    ["administrator", CredentialKind.ADMINISTRATOR, signingKey],
  );
});

test("attack: a proof that was overheard is replayed from another connection", async t => {
  const at = await door(t);
  const overheard = proofs(me, seed(1), await ticket(at));
  await at.guest(me).present({ proofs: overheard });
  const { reason } = await refusal(at.guest(endpoint(2)).present({ proofs: overheard }));
  assert.equal(reason, "BAD_PROOF");
});

test("attack: a builder passes on proofs that were made for it to another builder", async t => {
  const at = await door(t);
  const forAnother = proofs(me, seed(1), await ticket(at), endpoint(3));
  assert.equal((await refusal(at.guest(me).present({ proofs: forAnother }))).reason, "BAD_PROOF");
});

test("attack: a client knows a ticket's id, which is public, but not its secret", async t => {
  const at = await door(t);
  const [own, real] = proofs(me, seed(1), await ticket(at));
  const [, foreign] = proofs(me, seed(1), seed(9));
  assert(own && real && foreign);
  const forged = [own, { ...foreign, publicKey: real.publicKey }];
  assert.equal((await refusal(at.guest(me).present({ proofs: forged }))).reason, "BAD_PROOF");
});

test("attack: a client's key is passed off as a ticket, or a ticket as a client's key", async t => {
  const at = await door(t, [{ id: clientId(1), name: "alex", maxBuildSeconds: 1, maxUploadBytes: 1 }]);
  const [own] = proofs(me, seed(1));
  const [, asTicket] = proofs(me, seed(2), seed(1));
  assert(own && asTicket);
  const crossed = { ...asTicket, kind: CredentialKind.CLIENT_KEY };
  assert.equal((await refusal(at.guest(me).present({ proofs: [crossed] }))).reason, "BAD_PROOF");
});

test("proofs that are not one of a client and at most one of a ticket are refused", async t => {
  const at = await door(t);
  const [own, held] = proofs(me, seed(1), await ticket(at));
  assert(own && held);
  const administrator = { ...own, kind: CredentialKind.ADMINISTRATOR };
  for (const wrong of [[], [held], [own, own], [own, held, held], [administrator], [own, administrator]]) {
    assert.equal((await refusal(at.guest(me).present({ proofs: wrong }))).reason, "MALFORMED");
  }
  for (const bytes of [new Uint8Array(0), new Uint8Array(31), new Uint8Array(33)]) {
    assert.equal((await refusal(at.guest(me).present({ proofs: [{ ...own, publicKey: bytes }] }))).reason, "BAD_PROOF");
    assert.equal((await refusal(at.guest(me).present({ proofs: [{ ...own, signature: bytes }] }))).reason, "BAD_PROOF");
  }
  const named = (length: number) => at.guest(me).present({ proofs: [own, held], clientVersion: "v".repeat(length) });
  await named(64);
  assert.equal((await refusal(named(65))).reason, "MALFORMED");
});

test("each reason to be refused is its own, and says what to do", async t => {
  const at = await door(t);
  const present = (secret?: Uint8Array) => refusal(at.guest(me).present({ proofs: proofs(me, seed(1), secret) }));
  const untrusted = await present();
  assert.equal(untrusted.reason, "CLIENT_NOT_TRUSTED");
  assert(untrusted.message.includes(clientId(1)) && untrusted.fix.includes(`--trusted-client ${clientId(1)}`));
  assert.equal((await present(seed(9))).reason, "TICKET_UNKNOWN");
  const bound = await present(await ticket(at, { boundClient: Buffer.from(clientId(2), "hex") }));
  assert.equal(bound.reason, "TICKET_BOUND");
  assert(bound.message.includes(clientId(1)) && bound.fix.includes(`--bind-client ${clientId(1)}`));
  const revoked = await ticket(at, { name: "revoked" });
  await at.administrator().revoke({ id: (await record(at, "revoked")).id });
  assert.equal((await present(revoked)).reason, "TICKET_REVOKED");
  assert(at.logged.some(line => line.includes("the ticket was revoked") && line.includes(me)));
});

test("a ticket bound to this client just works", async t => {
  const at = await door(t);
  const secret = await ticket(at, { boundClient: Buffer.from(clientId(1), "hex") });
  await at.guest(me).present({ proofs: proofs(me, seed(1), secret) });
});

test("an exhausted or expired ticket lets its holder in, and says that it starts nothing new", async t => {
  const at = await door(t);
  const secret = await ticket(at);
  const owner = { credential: { kind: "ticket", id: parsedId(at) }, client: clientId(1) } as const;
  const request = { owner, digest: "", request: seed(0), installable: "", clientName: "" };
  const build = "b0".repeat(32) as BuildId;
  await at.state.reserve({ ...request, build }, at.now);
  await at.state.commit(build, at.now);
  const standing = async () => {
    const answer = await at.guest(me).present({ proofs: proofs(me, seed(1), secret) });
    return Reason[answer.standing];
  };
  assert.equal(await standing(), "TICKET_EXHAUSTED");
  at.now += 3_600_000;
  assert.equal(await standing(), "TICKET_EXPIRED");
  await at.administrator().revoke({ id: parsedId(at) });
  assert.equal(await standing(), "TICKET_REVOKED", "what it has paid for may still be fetched");
  const stranger = at.guest(me).present({ proofs: proofs(me, seed(2), secret) });
  assert.equal((await refusal(stranger)).reason, "TICKET_REVOKED");
});

test("a client that is not trusted any more is let in for what it has begun, and nothing new", async t => {
  const at = await door(t);
  const present = () => at.guest(me).present({ proofs: proofs(me, seed(1)) });
  assert.equal((await refusal(present())).reason, "CLIENT_NOT_TRUSTED");
  const owner = { credential: { kind: "client-key", id: clientId(1) }, client: clientId(1) } as const;
  const build = "b0".repeat(32) as BuildId;
  await at.state.reserve({ owner, digest: "", request: seed(0), installable: "", clientName: "", build }, at.now);
  assert.equal((await refusal(present())).reason, "CLIENT_NOT_TRUSTED", "nothing has begun");
  await at.state.commit(build, at.now);
  assert.equal(Reason[(await present()).standing], "CLIENT_NOT_TRUSTED");
});

test("a connection speaks for one principal: the same again is fine, another is refused", async t => {
  const at = await door(t);
  const secret = await ticket(at);
  const client = at.guest(me);
  await client.present({ proofs: proofs(me, seed(1), secret) });
  await client.present({ proofs: proofs(me, seed(1), secret) });
  const second = await refusal(client.present({ proofs: proofs(me, seed(2), secret) }));
  assert.equal(second.reason, "BAD_PROOF");
  assert.match(second.message, /already speaks for ticket:/);
});

let last = "";

async function ticket(at: Door, fields: { name?: string; boundClient?: Uint8Array } = {}): Promise<Uint8Array> {
  const limits = { expiresSeconds: 3600n, uses: 1n, maxBuildSeconds: 60n, maxUploadBytes: 1000n };
  const { ticket: text } = await at.administrator().create({ ...limits, ...fields });
  const parsed = parseTicket(text);
  assert.equal(parsed.endpointId, builder);
  last = parsed.id;
  return parsed.secret;
}

function parsedId(at: Door) {
  const [found] = at.state.ticketsByPrefix(last, 1);
  assert(found);
  return found.id;
}

async function record(at: Door, name: string) {
  for (const each of at.state.tickets()) if (each.name === name) return each;
  throw new Error(`no ticket ${name}`);
}
