import type { BuildId, TicketId } from "../lib/ids.ts";
import type { Ticket } from "../tickets/ticket.ts";
import type { Credential, Owner, UseRefusal, UseState } from "../tickets/use.ts";

/**
 * What survives a restart of the builder. Reads are of the last committed transaction; each write is one transaction. A promise settles when the
 * write is on disk. Opened by `openState(dataFolder)`, which fails if another process holds it.
 */
export interface State {
  createTicket(ticket: Ticket): Promise<void>;
  ticket(id: TicketId): Ticket | undefined;
  /** Tickets whose id begins with this hex prefix, at most `limit`. */
  ticketsByPrefix(prefix: string, limit: number): Ticket[];
  /** All tickets, oldest first. */
  tickets(): Iterable<Ticket>;
  /**
   * Revokes; gives back what is only reserved. Repeating changes nothing. `undefined`: no such ticket. The builds that lost their use are unfinished
   * until the caller ends each with `refund`, which then only records the end.
   */
  revokeTicket(id: TicketId, now: number): Promise<{ ticket: Ticket; refunded: BuildId[] } | undefined>;

  /**
   * Reserves a use for a build: the one place where uses, expiry, revocation and binding are checked. The same build with the same owner and digest
   * again is free and returns it as it stands. With `insteadOf` the use of an own build that is still reserved moves over, in one transaction; that
   * build is refunded, and unfinished until the caller ends it with `refund`. An own build past that changes nothing.
   */
  reserve(request: ReserveRequest, now: number): Promise<StoredBuild | UseRefusal>;
  /** Spends the use for good. False if the build is not reserved any more (for example revoked meanwhile). On disk when settled. */
  commit(build: BuildId, now: number): Promise<boolean>;
  /** Ends a build and gives its use back, reserved or committed. Repeating changes nothing. */
  refund(build: BuildId, end: BuildEnd): Promise<void>;
  /** Ends a build whose use stays spent. Repeating changes nothing. Throws if it was never committed. */
  finish(build: BuildId, end: BuildEnd): Promise<void>;

  /** Notes how many bytes of NAR an unfinished build has received in all, for whoever must end it after a crash. */
  noteReceived(build: BuildId, bytes: number): Promise<void>;
  /** Counts bytes that went to the client of a build after its end. */
  addDownloaded(build: BuildId, bytes: number): Promise<void>;

  build(id: BuildId): StoredBuild | undefined;
  /** Builds of an owner, newest first. */
  buildsOf(owner: Owner, limit: number): StoredBuild[];
  /** Builds that have not ended: after a crash, those that the restart must fail and refund. */
  unfinished(): StoredBuild[];
  /** Ended builds, newest first. */
  recent(limit: number): StoredBuild[];
  /** Forgets ended builds beyond `keep`, always of the credential that has most; says which. */
  forget(keep: number): Promise<BuildId[]>;
  /** Bytes that builds of a credential without counted uses have sent in the last day and then given their use back before they began. */
  givenBack(credential: Credential, now: number): number;
  close(): Promise<void>;
}

/** What `Open` asks for. */
export interface ReserveRequest {
  readonly build: BuildId;
  readonly owner: Owner;
  /** SHA-256 in hex over the encoded targets and options: the same id with another digest is `build-differs`. */
  readonly digest: string;
  /** The encoded targets and options, kept as they are. */
  readonly request: Uint8Array;
  /** For people. */
  readonly installable: string;
  readonly clientName: string;
  readonly insteadOf?: BuildId;
}

/** A build as it is kept. */
export interface StoredBuild {
  readonly id: BuildId;
  readonly owner: Owner;
  readonly digest: string;
  readonly request: Uint8Array;
  readonly installable: string;
  readonly clientName: string;
  readonly use: UseState;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  readonly committedAt: number | undefined;
  /** Bytes of NAR that it has received at the least, as last noted. */
  readonly receivedBytes?: number;
  readonly end: BuildEnd | undefined;
}

/** How a build ended. */
export interface BuildEnd {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The encoded result for the wire. */
  readonly result: Uint8Array;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}
