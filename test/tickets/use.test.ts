import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientId, TicketId } from "../../src/lib/ids.ts";
import { defaultName, nameProblem } from "../../src/tickets/limits.ts";
import { ticketStatus } from "../../src/tickets/status.ts";
import type { Ticket } from "../../src/tickets/ticket.ts";
import { moveUse, reserveUse } from "../../src/tickets/use.ts";

const client = "c1".repeat(32) as ClientId;
const ticket: Ticket = {
  id: "ab".repeat(32) as TicketId,
  name: "friend",
  createdAt: 0,
  expiresAt: 1000,
  uses: 2,
  committed: 0,
  reserved: 0,
  maxBuildSeconds: 1800,
  maxUploadBytes: 2 ** 30,
  boundClient: undefined,
  revokedAt: undefined,
  sealedSecret: new Uint8Array(0),
};

test("a ticket expires at its last millisecond, not before", () => {
  assert.equal(ticketStatus(ticket, 999), "active");
  assert.equal(ticketStatus(ticket, 1000), "expired");
});

test("a dead ticket shows the first of revoked, expired, exhausted", () => {
  const spent = { ...ticket, committed: 2 };
  assert.equal(ticketStatus(spent, 0), "exhausted");
  assert.equal(ticketStatus(spent, 1000), "expired");
  assert.equal(ticketStatus({ ...spent, revokedAt: 5 }, 1000), "revoked");
});

test("a use is reserved while there are any, then the next hears in use or exhausted", () => {
  const one = reserveUse(ticket, client, 0);
  assert(typeof one !== "string");
  const two = reserveUse(one, client, 0);
  assert(typeof two !== "string");
  assert.equal(two.reserved, 2);
  assert.equal(reserveUse(two, client, 0), "ticket-in-use");
  const half = moveUse(two, "reserved", "committed");
  assert.equal(reserveUse(half, client, 0), "ticket-in-use");
  assert.equal(reserveUse(moveUse(half, "reserved", "committed"), client, 0), "ticket-exhausted");
});

test("an unlimited ticket is never exhausted", () => {
  const unlimited = { ...ticket, uses: undefined, committed: 1e9, reserved: 1e6 };
  assert.equal(ticketStatus(unlimited, 0), "active");
  assert(typeof reserveUse(unlimited, client, 0) !== "string");
});

test("each refusal is its own", () => {
  assert.equal(reserveUse({ ...ticket, revokedAt: 1 }, client, 0), "ticket-revoked");
  assert.equal(reserveUse({ ...ticket, boundClient: "c2".repeat(32) as ClientId }, client, 0), "ticket-bound");
  assert.equal(reserveUse(ticket, client, 1000), "ticket-expired");
});

test("a use moves only along its life, and the counts never go below zero", () => {
  const reserved = { ...ticket, reserved: 1 };
  assert.deepEqual(moveUse(reserved, "reserved", "refunded"), ticket);
  const committed = moveUse(reserved, "reserved", "committed");
  assert.deepEqual(moveUse(committed, "committed", "refunded"), ticket);
  for (const [from, to] of [
    ["refunded", "committed"],
    ["refunded", "reserved"],
    ["committed", "reserved"],
    ["reserved", "reserved"],
  ] as const) {
    assert.throws(() => moveUse({ ...ticket, reserved: 1, committed: 1 }, from, to));
  }
  assert.throws(() => moveUse(ticket, "reserved", "committed"));
});

test("names of 1 to 128 bytes pass; blank, longer, or with anything that moves a terminal do not", () => {
  for (const name of ["x", "n".repeat(128), "é".repeat(64), "Zoë's laptop"])
    assert.equal(nameProblem(name), undefined, name);
  for (const name of [
    "",
    "  ",
    "n".repeat(129),
    "é".repeat(65),
    "a\nb",
    "a\u001b[2J",
    "a\u202eb",
    "a\u2028b",
    "\ud800",
  ]) {
    assert.equal(typeof nameProblem(name), "string", name);
  }
  assert.equal(defaultName(1_700_000_000_999), "ticket-1700000000");
});
