import type { BuildRun } from "./build-run.ts";
import type { BuildOutcome, PlannedDerivation } from "./report.ts";
import type { BuildRequest } from "./request.ts";

/** What a connection was accepted as and what it may do. */
export interface Principal {
  /** `ticket:NAME` or `client:NAME`. */
  readonly acceptedAs: string;
  readonly kind: "ticket" | "client-key" | "administrator";
  /** Why new builds are refused, for example `ticket-exhausted`; absent if they are not. */
  readonly standing: string | undefined;
  readonly ticket: TicketInfo | undefined;
  /** Longest time from slot to result in seconds; absent: no limit. */
  readonly maxBuildSeconds: number | undefined;
  /** Most bytes of NAR that one build may send; absent: no limit. */
  readonly maxUploadBytes: number | undefined;
  /** The builder's Nix signing key as `name:base64`. */
  readonly signingKey: string;
  readonly systems: readonly string[];
  readonly features: readonly string[];
  readonly builderVersion: string;
  readonly nixVersion: string;
  readonly maxPutStreams: number;
}

/** A ticket as its builder knows it; no secret. */
export interface TicketInfo {
  readonly id: string;
  readonly name: string;
  readonly status: "active" | "revoked" | "expired" | "exhausted";
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** Builds it was made for; absent: any number. */
  readonly uses: number | undefined;
  readonly usesCommitted: number;
  readonly usesReserved: number;
  readonly maxBuildSeconds: number;
  readonly maxUploadBytes: number;
  readonly boundClient: string | undefined;
  readonly revokedAt: Date | undefined;
}

/** A ticket to be made. The library completes nothing: the defaults are the command line's. */
export interface TicketOptions {
  /** 1 to 128 bytes; default `ticket-<unix seconds>`. */
  readonly name?: string | undefined;
  /** 1 to ten years. */
  readonly expiresSeconds: number;
  /** At least 1, or `unlimited`. */
  readonly uses: number | "unlimited";
  readonly maxBuildSeconds: number;
  readonly maxUploadBytes: number;
  /** The only client id that may use it. */
  readonly boundClient?: string | undefined;
  /** Leave the builder's IP addresses out of the text. */
  readonly noAddresses?: boolean | undefined;
}

/** A ticket with its text: the secret to hand out. */
export interface TicketWithText {
  readonly text: string;
  readonly ticket: TicketInfo;
}

/** The administrator's tickets. Ids may be shortened to a unique prefix. */
export interface TicketAdministration {
  create(options: TicketOptions): Promise<TicketWithText>;
  /** Oldest first. */
  list(): AsyncIterable<TicketInfo>;
  inspect(id: string): Promise<TicketInfo>;
  reveal(id: string): Promise<TicketWithText>;
  /** Ends a ticket; with `now` its running builds too. May be repeated. */
  revoke(id: string, options?: { now?: boolean | undefined }): Promise<RevokedTicket>;
}

/** What revoking did. */
export interface RevokedTicket {
  readonly ticket: TicketInfo;
  /** Reserved uses that were given back. */
  readonly refunded: number;
  /** Running builds that were cancelled. */
  readonly cancelled: number;
}

/** A build as the builder knows it. */
export interface BuildRecord {
  readonly id: string;
  readonly state: "reserved" | "queued" | "running" | "finished";
  readonly installable: string;
  /** `ticket:NAME`, `client:NAME` or `client:ID`. */
  readonly client: string;
  readonly openedAt: Date;
  readonly queuedAt: Date | undefined;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  /** Place from 1, while it waits. */
  readonly queuePosition: number | undefined;
  readonly uploadedBytes: number;
  /** As they crossed the wire. */
  readonly downloadedBytes: number;
  readonly rebuild: boolean;
  /** Longest time from slot to result in seconds; absent: no limit, or the build has ended. */
  readonly maxBuildSeconds: number | undefined;
  /** Most bytes of NAR that it may send; absent: likewise. */
  readonly maxUploadBytes: number | undefined;
  readonly targets: readonly PlannedDerivation[];
  readonly result: BuildRecordResult | undefined;
}

/** How a build of a {@link BuildRecord} ended. */
export interface BuildRecordResult {
  readonly outcome: BuildOutcome;
  readonly message: string;
  /** For example `restarted`. */
  readonly reason: string | undefined;
  readonly refunded: boolean;
  readonly buildMilliseconds: number;
  readonly queuedMilliseconds: number;
}

/** Bytes that move now between a builder and the client of a build. */
export interface StatusTransfer {
  /** The build's id. */
  readonly build: string;
  readonly installable: string;
  readonly client: string;
  readonly streams: number;
  /** So far: of NAR for inputs, as they cross the wire for outputs. */
  readonly bytes: number;
  /** In all, where that is known. */
  readonly totalBytes: number | undefined;
}

/** A builder at one moment; for others than its administrator, own builds and counts of the rest. */
export interface BuilderStatus {
  readonly endpointId: string;
  readonly version: string;
  /** Which implementation of Iroh carries its bytes, for people; empty if it does not say. */
  readonly iroh: string;
  /** The builder's time; of a builder that does not tell it, ours. */
  readonly at: Date;
  readonly startedAt: Date;
  readonly draining: boolean;
  readonly maxConcurrentBuilds: number;
  /** Most ended builds that are told. */
  readonly recentBuildsLimit: number;
  readonly activeCount: number;
  readonly queuedCount: number;
  readonly connectedClients: number;
  readonly active: readonly BuildRecord[];
  readonly queued: readonly BuildRecord[];
  readonly opened: readonly BuildRecord[];
  /** Uploads of inputs under way. */
  readonly uploads: readonly StatusTransfer[];
  /** Downloads of outputs under way. */
  readonly downloads: readonly StatusTransfer[];
  /** Newest first. */
  readonly recent: readonly BuildRecord[];
}

/** A connection to a builder. Close it, or use it with `await using`. Every method throws `Failure`. */
export interface BuilderClient extends AsyncDisposable {
  /** What the builder accepted this connection as; absent for its administrator on this machine. */
  readonly principal: Principal | undefined;
  /** Builds on this builder, over connections of its own: it goes on when this one breaks or is closed. Starts at once. */
  build(request: Omit<BuildRequest, "target" | "clientKeyFile">): BuildRun;
  status(options?: { signal?: AbortSignal | undefined }): Promise<BuilderStatus>;
  /** At once and after each change, until the loop is left or the signal fires. */
  watchStatus(options?: { signal?: AbortSignal | undefined }): AsyncIterable<BuilderStatus>;
  /** Refused unless this is the administrator's connection. */
  readonly tickets: TicketAdministration;
  /** Own builds, newest first. */
  builds(options?: { limit?: number | undefined }): Promise<BuildRecord[]>;
  /** Ends an own build; its processes are gone when this returns. */
  cancelBuild(id: string): Promise<BuildRecord>;
  close(): Promise<void>;
}
