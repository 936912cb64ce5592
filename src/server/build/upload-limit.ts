import type { Ticket } from "../../tickets/ticket.ts";

/**
 * The bytes of NAR that one more build may send, or `undefined` for no limit. A ticket makes a builder receive no more than its uses times the limit
 * of each in all: what builds have sent stays counted when their use is given back. Without counted uses the limit of the build is all there is.
 */
export function uploadLimit(ofBuild: number | undefined, ticket: Ticket | undefined): number | undefined {
  if (ofBuild === undefined || ticket?.uses === undefined) return ofBuild;
  const left = ticket.uses * ticket.maxUploadBytes - (ticket.receivedBytes ?? 0);
  return Math.max(0, Math.min(ofBuild, left));
}
