import type { ClientId, TicketId } from "../lib/ids.ts";

/** What a builder keeps of a ticket. Times are milliseconds since 1970. */
export interface Ticket {
  readonly id: TicketId;
  /** 1 to 128 bytes. */
  readonly name: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Builds it may start, or `undefined` for any number. */
  readonly uses: number | undefined;
  /** Uses spent for good. */
  readonly committed: number;
  /** Uses held by builds that have not started. */
  readonly reserved: number;
  /** Longest time of one build from slot to result. */
  readonly maxBuildSeconds: number;
  /** Most bytes of NAR that one build may send. */
  readonly maxUploadBytes: number;
  /** Bytes of NAR that its ended builds have sent, also those whose use was given back; absent is none. */
  readonly receivedBytes?: number;
  /** The only client that may use it. */
  readonly boundClient: ClientId | undefined;
  readonly revokedAt: number | undefined;
  /** Its text leaves the builder's IP addresses out. */
  readonly noAddresses?: boolean;
  /** The secret, sealed with a key of the builder. */
  readonly sealedSecret: Uint8Array;
}

/** How a ticket stands; the first that applies, in this order: revoked, expired, exhausted, active. */
export type TicketStatus = "revoked" | "expired" | "exhausted" | "active";
