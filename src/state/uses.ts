import type { BuildId, TicketId } from "../lib/ids.ts";
import { addGivenBack } from "../tickets/given-back.ts";
import type { Ticket } from "../tickets/ticket.ts";
import { moveUse, reserveUse, sameOwner, type UseRefusal, type UseState } from "../tickets/use.ts";
import type { BuildEnd, ReserveRequest, StoredBuild } from "./state.ts";
import type { Tables } from "./tables.ts";

// Each function here is the inside of one transaction: it reads, decides, and only then writes.

/** Reserves a use for a build, or says why not. */
export function reserve(tables: Tables, request: ReserveRequest, now: number): StoredBuild | UseRefusal {
  const existing = tables.build(request.build);
  if (existing !== undefined) {
    const same = sameOwner(existing.owner, request.owner) && existing.digest === request.digest;
    return same ? existing : "build-differs";
  }
  const { insteadOf, build: id, ...rest } = request;
  const replaced = insteadOf === undefined ? undefined : tables.build(insteadOf);
  if (insteadOf !== undefined && (replaced === undefined || !sameOwner(replaced.owner, request.owner)))
    return "build-unknown";
  const ticket = charge(tables, request, replaced, now);
  if (typeof ticket === "string") return ticket;
  const build: StoredBuild = { ...rest, id, use: "reserved", openedAt: now, committedAt: undefined, end: undefined };
  if (replaced?.use === "reserved") tables.putBuild({ ...replaced, use: "refunded" });
  if (ticket !== undefined) tables.putTicket(ticket);
  tables.putBuild(build);
  return build;
}

/** The ticket after it gave the use, a refusal, or `undefined` for a client key, which has no uses to count. */
function charge(
  tables: Tables,
  request: ReserveRequest,
  replaced: StoredBuild | undefined,
  now: number,
): Ticket | UseRefusal | undefined {
  const { credential, client } = request.owner;
  if (credential.kind === "client-key") return undefined;
  const ticket = tables.ticket(credential.id);
  if (ticket === undefined) return "ticket-unknown";
  return reserveUse(replaced?.use === "reserved" ? moveUse(ticket, "reserved", "refunded") : ticket, client, now);
}

/** Spends a reserved use. False if it is not reserved any more. */
export function commit(tables: Tables, id: BuildId, now: number): boolean {
  const build = tables.build(id);
  if (build?.use !== "reserved" || build.end !== undefined) return false;
  moveTicket(tables, build, "committed");
  tables.putBuild({ ...build, use: "committed", committedAt: now });
  return true;
}

/** Ends a build and gives its use back unless that has happened. */
export function refund(tables: Tables, id: BuildId, end: BuildEnd): void {
  const build = tables.build(id);
  if (build === undefined || build.end !== undefined) return;
  if (build.use !== "refunded") moveTicket(tables, build, "refunded");
  countBytes(tables, build, end);
  if (build.use !== "committed") countGivenBack(tables, build, end);
  tables.putBuild({ ...build, use: "refunded", end });
}

/** Ends a build whose use stays spent. */
export function finish(tables: Tables, id: BuildId, end: BuildEnd): void {
  const build = tables.build(id);
  if (build === undefined || build.end !== undefined) return;
  if (build.use === "reserved") throw new Error("a build that only holds a reservation ends by a refund");
  countBytes(tables, build, end);
  tables.putBuild({ ...build, end });
}

/** Notes what an unfinished build has received. */
export function noteReceived(tables: Tables, id: BuildId, bytes: number): void {
  const build = tables.build(id);
  if (build !== undefined && build.end === undefined) tables.putBuild({ ...build, receivedBytes: bytes });
}

/** Adds to what an ended build has sent to its client. */
export function addDownloaded(tables: Tables, id: BuildId, bytes: number): void {
  const build = tables.build(id);
  if (build?.end === undefined) return;
  tables.putBuild({ ...build, end: { ...build.end, downloadedBytes: build.end.downloadedBytes + bytes } });
}

/** Revokes a ticket and gives back what is only reserved. */
export function revoke(tables: Tables, id: TicketId, now: number): { ticket: Ticket; refunded: BuildId[] } | undefined {
  const ticket = tables.ticket(id);
  if (ticket === undefined) return undefined;
  const held = tables.unfinished().filter(({ owner, use }) => owner.credential.id === id && use === "reserved");
  let revoked: Ticket = { ...ticket, revokedAt: ticket.revokedAt ?? now };
  for (const build of held) {
    revoked = moveUse(revoked, "reserved", "refunded");
    tables.putBuild({ ...build, use: "refunded" });
  }
  tables.putTicket(revoked);
  return { ticket: revoked, refunded: held.map(build => build.id) };
}

/** What a build has sent is not given back with its use. */
function countBytes(tables: Tables, { owner: { credential } }: StoredBuild, { uploadedBytes }: BuildEnd): void {
  const ticket = credential.kind === "ticket" ? tables.ticket(credential.id) : undefined;
  if (ticket === undefined || uploadedBytes === 0) return;
  tables.putTicket({ ...ticket, receivedBytes: (ticket.receivedBytes ?? 0) + uploadedBytes });
}

/** What a build has sent that never began: where uses are counted these bytes are, already. */
function countGivenBack(tables: Tables, { owner: { credential } }: StoredBuild, { uploadedBytes, at }: BuildEnd): void {
  const counted = credential.kind === "ticket" && tables.ticket(credential.id)?.uses !== undefined;
  if (counted || uploadedBytes === 0) return;
  tables.putGivenBack(credential, addGivenBack(tables.givenBack(credential), uploadedBytes, at));
}

function moveTicket(tables: Tables, build: StoredBuild, to: UseState): void {
  const { credential } = build.owner;
  if (credential.kind === "client-key") return;
  const ticket = tables.ticket(credential.id);
  if (ticket === undefined) throw new Error("a build is charged to a ticket that is not kept");
  tables.putTicket(moveUse(ticket, build.use, to));
}
