import { Code } from "@connectrpc/connect";
import { CredentialKind, Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { Proof as ProofMessage } from "../../gen/drvthru/v1/tickets_pb.js";
import { type ClientId, type EndpointId, idFromBytes, type TicketId } from "../lib/ids.ts";
import type { State } from "../state/state.ts";
import { clientDefaults } from "../tickets/limits.ts";
import type { Ends, ProofKind } from "../tickets/proof.ts";
import { ticketStatus } from "../tickets/status.ts";
import type { Ticket } from "../tickets/ticket.ts";
import type { Owner } from "../tickets/use.ts";
import { verifyProof } from "../tickets/verify-proof.ts";
import type { Guest } from "./principal.ts";
import { refuse } from "./refusal.ts";

/** A client key that may build without a ticket. */
export interface TrustedClient {
  readonly id: ClientId;
  /** As the configuration calls it, or `undefined` if it was only named by its id. */
  readonly name: string | undefined;
  /** `undefined` is no limit. */
  readonly maxBuildSeconds: number | undefined;
  /** `undefined` is no limit. */
  readonly maxUploadBytes: number | undefined;
}

/** What decides who is let in. */
export interface Admission {
  readonly state: Pick<State, "ticket" | "buildsOf">;
  readonly trustedClients: ReadonlyMap<ClientId, TrustedClient>;
}

/** Whom the proofs of a `Present` speak for. Throws the refusal that fits. */
export function admitGuest(
  proofs: readonly ProofMessage[],
  ends: { peer: EndpointId; local: EndpointId },
  { state, trustedClients }: Admission,
  now: number,
): Guest {
  const proven = checkProofs(proofs, { builder: ends.local, connection: ends.peer });
  if (proven.ticket !== undefined) return withTicket(proven.ticket, proven.client, ends.peer, state, now);
  return withClientKey(proven.client, ends.peer, { state, trustedClients });
}

function withClientKey(client: ClientId, peer: EndpointId, { state, trustedClients }: Admission): Guest {
  const owner: Owner = { credential: { kind: "client-key", id: client }, client };
  const trusted = trustedClients.get(client);
  // What a client began while it was trusted may end and be fetched.
  if (trusted === undefined && !hasBegun(state, owner)) throw notTrusted(client);
  const { maxBuildSeconds, maxUploadBytes } = trusted ?? clientDefaults;
  const standing = trusted === undefined ? "client-not-trusted" : undefined;
  const name = `client:${trusted?.name ?? client}`;
  return { kind: "guest", owner, name, standing, maxBuildSeconds, maxUploadBytes, peer };
}

/** A guest with what its client key may do now: the configuration may have changed since `Present`. Throws the refusal if it is not trusted any more. */
export function asItStands(guest: Guest, trustedClients: Admission["trustedClients"]): Guest {
  const { credential } = guest.owner;
  if (credential.kind === "ticket") return guest;
  const trusted = trustedClients.get(credential.id);
  if (trusted === undefined) throw notTrusted(credential.id);
  const { name = credential.id, maxBuildSeconds, maxUploadBytes } = trusted;
  return { ...guest, name: `client:${name}`, maxBuildSeconds, maxUploadBytes };
}

/** Whether builds of an owner have run, and are still kept. */
function hasBegun(state: Admission["state"], owner: Owner): boolean {
  return state.buildsOf(owner, 256).some(build => build.use === "committed");
}

/** The ids whose secrets the peer holds: a client key's always, a ticket's perhaps. */
function checkProofs(proofs: readonly ProofMessage[], ends: Ends): { client: ClientId; ticket: TicketId | undefined } {
  const own = proofs.filter(proof => proof.kind === CredentialKind.CLIENT_KEY);
  const tickets = proofs.filter(proof => proof.kind === CredentialKind.TICKET);
  const [client] = own;
  const [ticket] = tickets;
  if (client === undefined || own.length !== 1 || tickets.length > 1 || own.length + tickets.length !== proofs.length) {
    const message = "Present takes one proof of a client key, and at most one of a ticket";
    throw refuse(Reason.MALFORMED, Code.InvalidArgument, message);
  }
  return {
    client: provenId<ClientId>(client, "client-key", ends),
    ticket: ticket && provenId<TicketId>(ticket, "ticket", ends),
  };
}

function provenId<Id extends ClientId | TicketId>(proof: ProofMessage, kind: ProofKind, ends: Ends): Id {
  const { publicKey, signature } = proof;
  const id = idFromBytes<Id>(publicKey);
  if (id !== undefined && verifyProof({ kind, publicKey, signature }, ends)) return id;
  const what = kind === "ticket" ? "ticket" : "client key";
  throw refuse(Reason.BAD_PROOF, Code.Unauthenticated, `the proof of the ${what} does not hold on this connection`);
}

function withTicket(id: TicketId, client: ClientId, peer: EndpointId, state: Admission["state"], now: number): Guest {
  const owner: Owner = { credential: { kind: "ticket", id }, client };
  const ticket = state.ticket(id);
  if (ticket === undefined) {
    const fix = "ask the builder's owner for a new ticket";
    throw refuse(Reason.TICKET_UNKNOWN, Code.NotFound, "the builder does not know this ticket", { subject: id, fix });
  }
  if (ticket.boundClient !== undefined && ticket.boundClient !== client) throw boundToAnother(ticket, client);
  const status = ticketStatus(ticket, now);
  // What a revoked ticket has already paid for may finish and be fetched; there is nothing else to let its holder in for.
  if (status === "revoked" && !hasBegun(state, owner)) {
    const fix = "ask the builder's owner for a new ticket";
    throw refuse(Reason.TICKET_REVOKED, Code.PermissionDenied, "the ticket was revoked", { subject: id, fix });
  }
  return {
    kind: "guest",
    owner,
    name: `ticket:${ticket.name}`,
    standing: status === "active" ? undefined : `ticket-${status}`,
    maxBuildSeconds: ticket.maxBuildSeconds,
    maxUploadBytes: ticket.maxUploadBytes,
    peer,
  };
}

function boundToAnother(ticket: Ticket, client: ClientId): Error {
  return refuse(
    Reason.TICKET_BOUND,
    Code.PermissionDenied,
    `the ticket is bound to another client; this client is ${client}`,
    {
      subject: ticket.id,
      fix: `send this client's id to the builder's owner: drv-thru ticket create --bind-client ${client}`,
    },
  );
}

function notTrusted(client: ClientId): Error {
  return refuse(Reason.CLIENT_NOT_TRUSTED, Code.PermissionDenied, `the builder does not trust this client ${client}`, {
    subject: client,
    fix: `send this client's id to the builder's owner: drv-thru serve --trusted-client ${client}; or use a ticket`,
  });
}
