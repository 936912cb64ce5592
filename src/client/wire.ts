import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type BuildResult,
  BuildState,
  BuildOutcome as Outcome,
  type BuildRecord as Record_,
} from "../../gen/drvthru/v1/build_pb.js";
import { CredentialKind } from "../../gen/drvthru/v1/common_pb.js";
import type { BuilderStatus as Status_, StatusTransfer as Transfer_ } from "../../gen/drvthru/v1/status_pb.js";
import { type TicketRecord, TicketStatus, type TicketsPresentResponse } from "../../gen/drvthru/v1/tickets_pb.js";
import { Failure } from "../lib/failure.ts";
import { cleanLine, cleanText } from "../lib/terminal.ts";
import type { BuilderStatus, BuildRecord, Principal, StatusTransfer, TicketInfo } from "./builder.ts";
import { reasonWord } from "./errors.ts";
import type { BuildOutcome } from "./report.ts";

/** The border where messages of a builder become plain, bounded data. */

/** A number of the wire; more than a program can count is a lie. */
export function toNumber(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("a number above 2^53");
  return Number(value);
}

/** Something that no builder of this protocol sends. */
export function malformed(what: string): Failure {
  return new Failure("failed", "the builder", `the builder sent ${what}`, { reason: "malformed" });
}

/** What `Present` answered. */
export function toPrincipal(message: TicketsPresentResponse): Principal {
  const kinds = { [CredentialKind.TICKET]: "ticket", [CredentialKind.ADMINISTRATOR]: "administrator" } as const;
  const kind = kinds[message.kind as keyof typeof kinds] ?? "client-key";
  return {
    acceptedAs: cleanLine(message.acceptedAs, 200),
    kind,
    standing: reasonWord(message.standing),
    ticket: message.ticket && toTicket(message.ticket),
    maxBuildSeconds: limit(message.maxBuildSeconds),
    maxUploadBytes: limit(message.maxUploadBytes),
    signingKey: cleanLine(message.signingKey, 400),
    systems: message.systems.slice(0, 64).map(text => cleanLine(text, 100)),
    features: message.features.slice(0, 256).map(text => cleanLine(text, 100)),
    builderVersion: cleanLine(message.builderVersion, 64),
    nixVersion: cleanLine(message.nixVersion, 64),
    maxPutStreams: Math.max(1, message.maxPutStreams),
  };
}

function limit(value: bigint): number | undefined {
  return value === 0n ? undefined : toNumber(value);
}

const TICKET_STATUS = {
  [TicketStatus.REVOKED]: "revoked",
  [TicketStatus.EXPIRED]: "expired",
  [TicketStatus.EXHAUSTED]: "exhausted",
} as const;

/** A ticket's record. */
export function toTicket(message: TicketRecord): TicketInfo {
  return {
    id: toHex(message.id),
    name: cleanLine(message.name, 200),
    status: TICKET_STATUS[message.status as keyof typeof TICKET_STATUS] ?? "active",
    createdAt: toDate(message.createdAt) ?? new Date(0),
    expiresAt: toDate(message.expiresAt) ?? new Date(0),
    uses: limit(message.uses),
    usesCommitted: toNumber(message.usesCommitted),
    usesReserved: toNumber(message.usesReserved),
    maxBuildSeconds: toNumber(message.maxBuildSeconds),
    maxUploadBytes: toNumber(message.maxUploadBytes),
    boundClient: message.boundClient.length === 0 ? undefined : toHex(message.boundClient),
    revokedAt: toDate(message.revokedAt),
  };
}

const OUTCOMES: Readonly<Partial<Record<Outcome, BuildOutcome>>> = {
  [Outcome.BUILT]: "built",
  [Outcome.TIMED_OUT]: "timed-out",
  [Outcome.HASH_MISMATCH]: "hash-mismatch",
  [Outcome.NOT_DETERMINISTIC]: "not-deterministic",
  [Outcome.CANCELLED]: "cancelled",
  [Outcome.BUILDER_FAILED]: "builder-failed",
};

/** How a build ended; an outcome of a newer builder counts as failed. */
export function toOutcome(outcome: Outcome): BuildOutcome {
  return OUTCOMES[outcome] ?? "failed";
}

const STATES = {
  [BuildState.QUEUED]: "queued",
  [BuildState.RUNNING]: "running",
  [BuildState.FINISHED]: "finished",
} as const;

/** A build's record. */
export function toRecord(message: Record_): BuildRecord {
  return {
    id: toHex(message.buildId),
    state: STATES[message.state as keyof typeof STATES] ?? "reserved",
    installable: cleanLine(message.installable, 512),
    client: cleanLine(message.client, 200),
    openedAt: toDate(message.openedAt) ?? new Date(0),
    queuedAt: toDate(message.queuedAt),
    startedAt: toDate(message.startedAt),
    finishedAt: toDate(message.finishedAt),
    queuePosition: message.queuePosition || undefined,
    uploadedBytes: toNumber(message.uploadedBytes),
    downloadedBytes: toNumber(message.downloadedBytes),
    rebuild: message.rebuild,
    maxBuildSeconds: limit(message.maxBuildSeconds),
    maxUploadBytes: limit(message.maxUploadBytes),
    targets: message.targets.map(({ drvPath, outputs }) => ({
      drvPath: cleanLine(drvPath, 256),
      outputs: Object.fromEntries(outputs.map(output => [cleanLine(output.name, 128), cleanLine(output.path, 256)])),
    })),
    result: message.result && toResult(message.result),
  };
}

function toResult(message: BuildResult): NonNullable<BuildRecord["result"]> {
  return {
    outcome: toOutcome(message.outcome),
    message: cleanText(message.message, 4096),
    reason: reasonWord(message.reason),
    refunded: message.refunded,
    buildMilliseconds: toNumber(message.buildMilliseconds),
    queuedMilliseconds: toNumber(message.queuedMilliseconds),
  };
}

/** A builder's status. */
export function toStatus(message: Status_ | undefined): BuilderStatus {
  if (message === undefined) throw malformed("no status");
  return {
    endpointId: toHex(message.endpointId),
    version: cleanLine(message.version, 64),
    iroh: cleanLine(message.iroh, 128),
    at: toDate(message.at) ?? new Date(),
    startedAt: toDate(message.startedAt) ?? new Date(0),
    draining: message.draining,
    maxConcurrentBuilds: message.maxConcurrentBuilds,
    recentBuildsLimit: message.recentBuildsLimit,
    activeCount: message.activeCount,
    queuedCount: message.queuedCount,
    connectedClients: message.connectedClients,
    active: message.active.map(toRecord),
    queued: message.queued.map(toRecord),
    opened: message.opened.map(toRecord),
    uploads: message.uploads.map(toTransfer),
    downloads: message.downloads.map(toTransfer),
    recent: message.recent.map(toRecord),
  };
}

function toTransfer(message: Transfer_): StatusTransfer {
  return {
    build: toHex(message.buildId),
    installable: cleanLine(message.installable, 512),
    client: cleanLine(message.client, 200),
    streams: message.streams,
    bytes: toNumber(message.bytes),
    totalBytes: limit(message.totalBytes),
  };
}

/** Bytes as hex digits; of more than 32 only those. */
function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 32)).toString("hex");
}

function toDate(value: Timestamp | undefined): Date | undefined {
  if (value === undefined) return undefined;
  const date = timestampDate(value);
  if (Number.isNaN(date.getTime())) throw malformed("a time that is none");
  return date;
}
