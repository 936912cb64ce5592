import type { Ticket, TicketStatus } from "./ticket.ts";

/** How a ticket stands at a time (milliseconds since 1970). */
export function ticketStatus(ticket: Ticket, now: number): TicketStatus {
  if (ticket.revokedAt !== undefined) return "revoked";
  if (now >= ticket.expiresAt) return "expired";
  if (ticket.uses !== undefined && ticket.committed >= ticket.uses) return "exhausted";
  return "active";
}
