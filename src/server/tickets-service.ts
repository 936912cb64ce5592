import { Code, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { Logger } from "pino";
import { CredentialKind, Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { Tickets, TicketsPresentRequest } from "../../gen/drvthru/v1/tickets_pb.js";
import type { BuildId, EndpointId, TicketId } from "../lib/ids.ts";
import type { State } from "../state/state.ts";
import { isAddress, isRelayUrl } from "../tickets/place.ts";
import { openSecret } from "../tickets/seal.ts";
import { formatTicket } from "../tickets/text.ts";
import type { Ticket } from "../tickets/ticket.ts";
import { findTicket, ticketNotFound } from "./find-ticket.ts";
import { newTicket } from "./new-ticket.ts";
import { type Admission, admitGuest } from "./present.ts";
import { type Guest, gateOf, requireAdministrator } from "./principal.ts";
import { refuse } from "./refusal.ts";
import { ticketRecord } from "./ticket-record.ts";

/** What the service of tickets stands on. */
export interface TicketsParts extends Pick<Admission, "trustedClients"> {
  readonly state: State;
  /** Of {@link import("../tickets/seal.ts").sealingKey}. */
  readonly sealingKey: Uint8Array;
  readonly endpoint: EndpointId;
  /** The builder's Nix signing key as name:base64. */
  readonly signingKey: string;
  readonly version: string;
  readonly maxPutStreams: number;
  /** Where the builder can be reached now. */
  readonly addresses: () => { readonly relayUrls: readonly string[]; readonly addresses: readonly string[] };
  /** What the builder's Nix is and can build, as far as it is known. */
  readonly nix: () => Promise<{ version: string; systems: readonly string[]; features: readonly string[] }>;
  /**
   * A ticket was revoked: ends the builds that lost their reservation, and with `cancelRunning` those that run.
   * Answers how many running ones it cancelled.
   */
  readonly revoked: (ticket: TicketId, refunded: readonly BuildId[], cancelRunning: boolean) => Promise<number>;
  readonly now: () => number;
  readonly log: Logger;
}

const LIST_BATCH = 256;

/** Who is asking, and the administrator's tickets. */
export function ticketsService(parts: TicketsParts): ServiceImpl<typeof Tickets> {
  const { state, log, now } = parts;
  const record = (ticket: Ticket) => ticketRecord(ticket, now());
  return {
    present: (request, context) => present(parts, request, context),

    async create(request, context) {
      await requireAdministrator(context);
      const { ticket, secret } = newTicket(request, parts.sealingKey, now());
      await state.createTicket(ticket);
      log.info({ ticket: ticket.id, name: ticket.name }, "ticket created");
      return { ticket: textOf(parts, ticket, secret), record: record(ticket) };
    },

    async *list(_request, context) {
      await requireAdministrator(context);
      let batch: Ticket[] = [];
      for (const ticket of state.tickets()) {
        batch.push(ticket);
        if (batch.length < LIST_BATCH) continue;
        yield { tickets: batch.map(record) };
        batch = [];
      }
      if (batch.length > 0) yield { tickets: batch.map(record) };
    },

    async inspect(request, context) {
      await requireAdministrator(context);
      return { record: record(findTicket(state, request.id)) };
    },

    async reveal(request, context) {
      await requireAdministrator(context);
      const ticket = findTicket(state, request.id);
      const secret = openSecret(parts.sealingKey, ticket.id, ticket.sealedSecret);
      if (secret === undefined) {
        const message = `the secret of ticket ${ticket.id} was sealed with another key of the builder`;
        throw refuse(Reason.UNSPECIFIED, Code.FailedPrecondition, message, {
          subject: ticket.id,
          fix: "put the builder's earlier secret.key back, or make a new ticket: drv-thru ticket create",
        });
      }
      log.info({ ticket: ticket.id, name: ticket.name }, "ticket revealed");
      return { ticket: textOf(parts, ticket, secret), record: record(ticket) };
    },

    async revoke(request, context) {
      await requireAdministrator(context);
      const found = findTicket(state, request.id);
      const revoked = await state.revokeTicket(found.id, now());
      if (revoked === undefined) throw ticketNotFound(request.id);
      const cancelled = await parts.revoked(found.id, revoked.refunded, request.now);
      log.info({ ticket: found.id, name: found.name, refunded: revoked.refunded.length, cancelled }, "ticket revoked");
      // Read again: a build that was cancelled may have given a use back.
      const ticket = state.ticket(found.id) ?? revoked.ticket;
      return { record: record(ticket), refunded: revoked.refunded.length, cancelled };
    },
  };
}

async function present(parts: TicketsParts, request: TicketsPresentRequest, context: HandlerContext) {
  if (Buffer.byteLength(request.clientVersion) > 64) {
    throw refuse(Reason.MALFORMED, Code.InvalidArgument, "client_version has at most 64 bytes", {
      subject: "client_version",
    });
  }
  const { ends } = gateOf(context);
  if (ends === undefined) {
    await requireAdministrator(context);
    return { acceptedAs: "administrator", kind: CredentialKind.ADMINISTRATOR, ...(await aboutBuilder(parts)) };
  }
  const guest = admitted(parts, request, context, ends);
  const { credential } = guest.owner;
  const ticket = credential.kind === "ticket" ? parts.state.ticket(credential.id) : undefined;
  return {
    acceptedAs: guest.name,
    kind: credential.kind === "ticket" ? CredentialKind.TICKET : CredentialKind.CLIENT_KEY,
    standing: guest.standing === undefined ? Reason.UNSPECIFIED : STANDING[guest.standing],
    ...(ticket === undefined ? {} : { ticket: ticketRecord(ticket, parts.now()) }),
    maxBuildSeconds: BigInt(guest.maxBuildSeconds ?? 0),
    maxUploadBytes: BigInt(guest.maxUploadBytes ?? 0),
    ...(await aboutBuilder(parts)),
  };
}

const STANDING: Readonly<Record<NonNullable<Guest["standing"]>, Reason>> = {
  "ticket-expired": Reason.TICKET_EXPIRED,
  "ticket-exhausted": Reason.TICKET_EXHAUSTED,
  "ticket-revoked": Reason.TICKET_REVOKED,
  "client-not-trusted": Reason.CLIENT_NOT_TRUSTED,
};

/** Settles the connection's principal; the log hears of both ends. */
function admitted(
  { log, now, ...admission }: TicketsParts,
  request: TicketsPresentRequest,
  context: HandlerContext,
  ends: { peer: EndpointId; local: EndpointId },
): Guest {
  try {
    const guest = admitGuest(request.proofs, ends, admission, now());
    gateOf(context).settle(guest);
    log.info({ peer: ends.peer, as: guest.name, client: guest.owner.client, standing: guest.standing }, "accepted");
    return guest;
  } catch (error) {
    log.warn({ peer: ends.peer, why: error instanceof Error ? error.message : String(error) }, "refused");
    throw error;
  }
}

async function aboutBuilder({ nix, signingKey, version, maxPutStreams }: TicketsParts) {
  const { version: nixVersion, systems, features } = await nix();
  const known = { systems: systems.slice(0, 64), features: features.slice(0, 256) };
  return { signingKey, builderVersion: version, nixVersion, maxPutStreams, ...known };
}

function textOf(parts: TicketsParts, ticket: Ticket, secret: Uint8Array): string {
  const { relayUrls, addresses } = parts.addresses();
  return formatTicket({
    endpointId: parts.endpoint,
    relayUrls: relayUrls.filter(isRelayUrl).slice(0, 8),
    addresses: ticket.noAddresses === true ? [] : addresses.filter(isAddress).slice(0, 32),
    secret,
    signingKey: parts.signingKey,
  });
}
