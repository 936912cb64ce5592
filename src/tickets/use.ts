import type { ClientId, TicketId } from "../lib/ids.ts";

/** What a build is charged to. */
export type Credential =
  | { readonly kind: "ticket"; readonly id: TicketId }
  | { readonly kind: "client-key"; readonly id: ClientId };

/** Whose a build is: ten people with one ticket do not see each other's. */
export interface Owner {
  readonly credential: Credential;
  readonly client: ClientId;
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
