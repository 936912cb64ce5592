import { parseTicket } from "../tickets/text.ts";

/** What a ticket's text says, without its secret. */
export interface TicketTextInfo {
  readonly ticketId: string;
  readonly endpointId: string;
  readonly relayUrls: readonly string[];
  readonly addresses: readonly string[];
  /** The builder's Nix signing key as `name:base64`. */
  readonly signingKey: string;
}

/** Reads a ticket's text, without any network. Throws `Failure` (usage) if it is none. */
export function inspectTicketText(text: string): TicketTextInfo {
  const { id, endpointId, relayUrls, addresses, signingKey } = parseTicket(text);
  return { ticketId: id, endpointId, relayUrls, addresses, signingKey };
}
