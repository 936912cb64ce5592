import type { ClientId, TicketId } from "../lib/ids.ts";
import { ticketStatus } from "./status.ts";
import type { Ticket } from "./ticket.ts";

/** What a build is charged to. */
export type Credential =
  | { readonly kind: "ticket"; readonly id: TicketId }
  | { readonly kind: "client-key"; readonly id: ClientId };

/** Whose a build is: ten people with one ticket do not see each other's. */
export interface Owner {
  readonly credential: Credential;
  readonly client: ClientId;
}

/** Whether two owners are the same. */
export function sameOwner(a: Owner, b: Owner): boolean {
  return a.client === b.client && sameCredential(a.credential, b.credential);
}

/** Whether two credentials are the same. */
export function sameCredential(a: Credential, b: Credential): boolean {
  return a.kind === b.kind && a.id === b.id;
}

/** A text that two credentials share only if they are the same. */
export function credentialKey({ kind, id }: Credential): string {
  return `${kind} ${id}`;
}

/** A text that two owners share only if they are the same. */
export function ownerKey({ credential, client }: Owner): string {
  return `${credentialKey(credential)} ${client}`;
}

/**
 * Where the use of a build stands: reserved by Open, committed when the build leaves the queue, refunded when it never started or the builder
 * failed. Committed may become refunded by the builder's fault; refunded is final.
 */
export type UseState = "reserved" | "committed" | "refunded";

/** Why a use was not given. The words are those of the wire's reasons. */
export type UseRefusal =
  | "ticket-unknown"
  | "ticket-revoked"
  | "ticket-expired"
  | "ticket-exhausted"
  | "ticket-in-use"
  | "ticket-bound"
  | "build-differs"
  | "build-unknown";

/** The ticket with one more use reserved, or why it gives none to this client now. */
export function reserveUse(ticket: Ticket, client: ClientId, now: number): Ticket | UseRefusal {
  const status = ticketStatus(ticket, now);
  if (status === "revoked") return "ticket-revoked";
  if (ticket.boundClient !== undefined && ticket.boundClient !== client) return "ticket-bound";
  if (status !== "active") return `ticket-${status}`;
  if (ticket.uses !== undefined && ticket.committed + ticket.reserved >= ticket.uses) return "ticket-in-use";
  return { ...ticket, reserved: ticket.reserved + 1 };
}

/** The ticket after a use of it goes from one state to another. Throws where the life of a use has no such step. */
export function moveUse(ticket: Ticket, from: UseState, to: UseState): Ticket {
  if (from === "reserved" && to === "committed") {
    return { ...ticket, reserved: less(ticket.reserved), committed: ticket.committed + 1 };
  }
  if (from === "reserved" && to === "refunded") return { ...ticket, reserved: less(ticket.reserved) };
  if (from === "committed" && to === "refunded") return { ...ticket, committed: less(ticket.committed) };
  throw new Error(`a use cannot go from ${from} to ${to}`);
}

function less(count: number): number {
  if (count < 1) throw new Error("a ticket counts fewer uses than its builds hold");
  return count - 1;
}
