import assert from "node:assert/strict";
import { test } from "node:test";
import { TicketStatus } from "../../gen/drvthru/v1/tickets_pb.js";
import type { BuildId } from "../../src/lib/ids.ts";
import { parseTicket } from "../../src/tickets/text.ts";
import { builder, clientId, door, endpoint, proofs, refusal, seed, signingKey } from "./door.ts";

const limits = { expiresSeconds: 7200n, uses: 1n, maxBuildSeconds: 1800n, maxUploadBytes: 20n * 2n ** 30n };

test("the administrator makes a ticket, sees it without its secret, and reveals it again", async t => {
  const at = await door(t);
  const admin = at.administrator();
  const { ticket: text, record } = await admin.create({ ...limits, name: "friend" });
  const parsed = parseTicket(text);
  assert.deepEqual([parsed.endpointId, parsed.signingKey], [builder, signingKey]);
  assert.deepEqual([parsed.relayUrls, parsed.addresses], [["https://relay.example.org/"], ["192.0.2.1:4433"]]);
  assert.equal(record?.status, TicketStatus.ACTIVE);
  assert.equal((record?.expiresAt?.seconds ?? 0n) - (record?.createdAt?.seconds ?? 0n), 7200n);
  const revealed = await admin.reveal({ id: parsed.id });
  assert.equal(revealed.ticket, text);
  const inspected = await admin.inspect({ id: parsed.id.slice(0, 4).toUpperCase() });
  assert.deepEqual(inspected.record, record);
  const secret = Buffer.from(parsed.secret).toString("hex");
  const told = JSON.stringify([inspected, at.logged], (_, value) =>
    typeof value === "bigint" ? `${value}` : value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
  );
  assert(!told.includes(secret) && !told.includes(text));
});

test("a ticket without a name gets one by the time; one without addresses keeps none when revealed", async t => {
  const at = await door(t);
  const admin = at.administrator();
  const { ticket, record } = await admin.create({ ...limits, noAddresses: true });
  assert.equal(record?.name, "ticket-1700000000");
  assert.deepEqual(parseTicket(ticket).addresses, []);
  assert.deepEqual(parseTicket((await admin.reveal({ id: parseTicket(ticket).id })).ticket).addresses, []);
});

test("a revealed ticket has the addresses of now, as many as a ticket may carry", async t => {
  const at = await door(t);
  const admin = at.administrator();
  const { id } = parseTicket((await admin.create(limits)).ticket);
  at.reachable.addresses = Array.from({ length: 40 }, (_, n) => `192.0.2.${n}:1`);
  at.reachable.relayUrls = Array.from({ length: 9 }, (_, n) => `https://relay-${n}.example.org/`);
  const { addresses, relayUrls } = parseTicket((await admin.reveal({ id })).ticket);
  assert.deepEqual([addresses.length, relayUrls.length], [32, 8]);
});

test("limits of a ticket pass at their ends and are refused beyond them", async t => {
  const at = await door(t);
  const admin = at.administrator();
  const years = 10n * 365n * 86_400n;
  const most = 2n ** 53n - 1n;
  const fine = [
    { expiresSeconds: 1n },
    { expiresSeconds: years },
    { uses: 0n },
    { uses: most },
    { maxBuildSeconds: years },
    { maxUploadBytes: most },
  ];
  for (const fields of [...fine, { name: "n".repeat(128) }, { boundClient: seed(1) }])
    await admin.create({ ...limits, ...fields });
  const wrong = {
    expires_seconds: [{ expiresSeconds: 0n }, { expiresSeconds: years + 1n }],
    uses: [{ uses: most + 1n }],
    max_build_seconds: [{ maxBuildSeconds: 0n }, { maxBuildSeconds: years + 1n }],
    max_upload_bytes: [{ maxUploadBytes: 0n }, { maxUploadBytes: most + 1n }],
    name: [{ name: "n".repeat(129) }, { name: " " }, { name: "a\u001b[2Jb" }],
    bound_client: [{ boundClient: new Uint8Array(31) }],
  };
  for (const [field, requests] of Object.entries(wrong)) {
    for (const request of requests) {
      const { reason, subject } = await refusal(admin.create({ ...limits, ...request }));
      assert.deepEqual([reason, subject], ["MALFORMED", field]);
    }
  }
  assert.equal([...at.state.tickets()].length, 8);
});

test("tickets are listed oldest first, in batches", async t => {
  const at = await door(t);
  const admin = at.administrator();
  assert.deepEqual(await listed(admin.list({})), []);
  const [sample] = [(await admin.create({ ...limits, name: "ticket-0" })).record];
  const first = [...at.state.tickets()][0];
  assert(sample && first);
  const more = Array.from({ length: 256 }, (_, n) => {
    const id = (n + 1).toString(16).padStart(64, "0") as typeof first.id;
    return at.state.createTicket({ ...first, id, name: `ticket-${n + 1}`, createdAt: first.createdAt + n + 1 });
  });
  await Promise.all(more);
  const batches = await listed(admin.list({}));
  assert.deepEqual(
    batches.map(batch => batch.length),
    [256, 1],
  );
  assert.deepEqual(
    batches.flat(),
    Array.from({ length: 257 }, (_, n) => `ticket-${n}`),
  );
});

test("an id that is unknown, too short, ambiguous or no id is refused, and what might be a ticket is not repeated", async t => {
  const at = await door(t);
  const admin = at.administrator();
  const { ticket } = await admin.create(limits);
  const [first] = [...at.state.tickets()];
  assert(first);
  const twin = `${first.id.slice(0, 63)}${first.id.endsWith("0") ? "1" : "0"}` as typeof first.id;
  await at.state.createTicket({ ...first, id: twin });
  for (const call of [admin.inspect, admin.reveal, admin.revoke]) {
    const unknown = await refusal(call({ id: "f0".repeat(32) }));
    assert.deepEqual([unknown.reason, unknown.message], ["TICKET_UNKNOWN", `ticket not found: ${"f0".repeat(32)}`]);
    const { reason, message } = await refusal(call({ id: first.id.slice(0, 63) }));
    assert.equal(reason, "MALFORMED");
    for (const { id, name } of [first, { ...first, id: twin }]) assert(message.includes(`${id} (${name})`), message);
    for (const id of ["", first.id.slice(0, 3), `${first.id}0`, "zzzz", ticket]) {
      const { reason, message } = await refusal(call({ id }));
      assert.equal(reason, "MALFORMED", id);
      assert(!message.includes(ticket));
    }
  }
  await admin.inspect({ id: first.id });
});

test("revoking may be repeated, tells the builder, and leaves a ticket that can still be revealed", async t => {
  const at = await door(t);
  const admin = at.administrator();
  const { id } = parseTicket((await admin.create({ ...limits, uses: 2n })).ticket);
  const owner = { credential: { kind: "ticket", id }, client: clientId(1) } as const;
  const build = "b0".repeat(32) as BuildId;
  await at.state.reserve({ build, owner, digest: "", request: seed(0), installable: "", clientName: "" }, at.now);
  const first = await admin.revoke({ id: id.slice(0, 8) });
  assert.deepEqual([first.refunded, first.cancelled, first.record?.status], [1, 0, TicketStatus.REVOKED]);
  const again = await admin.revoke({ id, now: true });
  assert.deepEqual([again.refunded, again.cancelled], [0, 1]);
  assert.deepEqual(again.record?.revokedAt, first.record?.revokedAt);
  assert.deepEqual(at.revocations, [
    { ticket: id, refunded: [build], cancelRunning: false },
    { ticket: id, refunded: [], cancelRunning: true },
  ]);
  assert.equal(parseTicket((await admin.reveal({ id })).ticket).id, id);
});

test("attack: a guest asks for what is the administrator's", async t => {
  const at = await door(t, [{ id: clientId(1), name: "alex", maxBuildSeconds: 1, maxUploadBytes: 1 }]);
  const { id } = parseTicket((await at.administrator().create(limits)).ticket);
  const me = endpoint(1);
  const guest = at.guest(me);
  await guest.present({ proofs: proofs(me, seed(1)) });
  const calls = [
    guest.create(limits),
    listed(guest.list({})),
    guest.inspect({ id }),
    guest.reveal({ id }),
    guest.revoke({ id }),
  ];
  for (const call of calls) assert.equal((await refusal(call)).reason, "NOT_PERMITTED");
  assert.equal(at.state.ticket(id)?.revokedAt, undefined);
});

test("what breaks inside is 'internal error' to the peer, and its cause is in the log", async t => {
  const at = await door(t);
  at.reachable.addresses = undefined as never;
  const { message } = await refusal(at.administrator().create(limits));
  assert.equal(message, "internal error");
  assert(at.logged.some(line => line.includes("Tickets.Create") && line.includes("TypeError")));
});

async function listed(batches: AsyncIterable<{ tickets: { name: string }[] }>): Promise<string[][]> {
  const names: string[][] = [];
  for await (const batch of batches) names.push(batch.tickets.map(ticket => ticket.name));
  return names;
}
