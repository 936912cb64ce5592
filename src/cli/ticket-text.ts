import type { TicketInfo } from "../client/builder.ts";
import { formatBytes, formatLimit } from "../lib/units.ts";

/** Uses as a person reads them: `1 of 3 left`, `unlimited`. */
export function usesText(ticket: TicketInfo): string {
  if (ticket.uses === undefined) return "unlimited";
  const left = Math.max(0, ticket.uses - ticket.usesCommitted - ticket.usesReserved);
  const reserved = ticket.usesReserved > 0 ? `, ${ticket.usesReserved} reserved` : "";
  return `${left} of ${ticket.uses} left${reserved}`;
}

/** A moment with its zone, to the second. */
export function timeText(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

/** A ticket's record as rows of name and value. */
export function ticketRows(ticket: TicketInfo): [string, string][] {
  const rows: [string, string][] = [
    ["name", ticket.name],
    ["status", ticket.status],
    ["uses", usesText(ticket)],
    ["created", timeText(ticket.createdAt)],
    ["expires", timeText(ticket.expiresAt)],
    ["build time", formatLimit(ticket.maxBuildSeconds)],
    ["upload", formatBytes(ticket.maxUploadBytes)],
    ["bound to", ticket.boundClient ?? "any client"],
  ];
  if (ticket.revokedAt) rows.push(["revoked", timeText(ticket.revokedAt)]);
  return rows;
}
