import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { BuildRecord } from "../../gen/drvthru/v1/build_pb.js";
import {
  type BuilderStatus,
  BuilderStatusSchema,
  type Status,
  type StatusTransferSchema,
} from "../../gen/drvthru/v1/status_pb.js";
import { type EndpointId, idToBytes } from "../lib/ids.ts";
import type { State } from "../state/state.ts";
import { type Owner, sameOwner } from "../tickets/use.ts";
import type { Builds } from "./build/builds.ts";
import type { LiveBuild } from "./build/live-build.ts";
import { liveRecord, storedRecord } from "./build/record.ts";
import type { Scheduler } from "./build/scheduler.ts";
import type { Download, Downloads } from "./downloads.ts";
import { type Principal, principalOf } from "./principal.ts";

/** At most ten a second. */
const SHORTEST_PAUSE = 100;
/** While bytes move, in milliseconds. */
const MOVING_PAUSE = 1_000;
/** Characters of an ended build's message: the whole is told by `Build.Get`. */
const MAX_ERROR = 512;
/** Of ended builds, however many are kept: a status is made while everybody waits, and with all others it stays far below what one message may have. */
const MAX_RECENT = 1_000;
const MAX_RECENT_BYTES = 1024 * 1024;
/** What is asked of the builder's state again and again must leave it time for others: so many times what it took. */
const REST = 20;

/** What the status tells of. */
export interface StatusContext {
  readonly builds: Builds;
  readonly scheduler: Scheduler;
  readonly state: State;
  readonly going: Downloads;
  readonly endpoint: EndpointId;
  readonly version: string;
  /** Which implementation of Iroh carries its bytes, for people. */
  readonly iroh: string;
  readonly startedAt: number;
  readonly maxConcurrentBuilds: number;
  /** Ended builds that are told. */
  readonly recentBuilds: number;
  /** A quiet watch says after this time in milliseconds that it is alive. */
  readonly keepAlive: number;
  /** Connections with a settled principal. */
  readonly connectedClients: () => number;
  readonly now: () => number;
}

/** The service `Status`: all of it for the administrator, own builds and counts of the others for everybody else. */
export function statusService(context: StatusContext): ServiceImpl<typeof Status> {
  return {
    async get(_request, call) {
      return { status: statusFor(await principalOf(call), context) };
    },

    async *watch(_request, call) {
      const principal = await principalOf(call);
      for (;;) {
        const began = performance.now();
        const status = statusFor(principal, context);
        const rest = Math.max(SHORTEST_PAUSE, REST * (performance.now() - began));
        const moving = status.uploads.length + status.downloads.length > 0;
        const pause = moving ? Math.min(MOVING_PAUSE, context.keepAlive) : context.keepAlive;
        // Before the status is handed out: what changes until its reader comes back would be missed otherwise.
        const changed = context.builds.changed.wait(pause, call.signal);
        changed.catch(() => undefined); // awaited below, unless the reader never comes back
        yield { status };
        await Promise.all([changed, sleep(rest, undefined, { signal: call.signal })]);
      }
    },
  };
}

function statusFor(principal: Principal, context: StatusContext): BuilderStatus {
  const { builds, scheduler, going } = context;
  const mine = (owner: Owner) => principal.kind === "administrator" || sameOwner(owner, principal.owner);
  const seen = (live: readonly LiveBuild[]) =>
    live.filter(build => mine(build.owner)).map(build => briefRecord(liveRecord(build)));
  const active = builds.live.filter(build => build.phase === "running");
  const { queued } = scheduler;
  const opened = builds.live.filter(build => build.phase === "reserved" || build.phase === "starting");
  return create(BuilderStatusSchema, {
    endpointId: idToBytes(context.endpoint),
    version: context.version,
    iroh: context.iroh,
    startedAt: timestampFromMs(context.startedAt),
    at: timestampFromMs(context.now()),
    draining: builds.draining,
    maxConcurrentBuilds: context.maxConcurrentBuilds,
    recentBuildsLimit: context.recentBuilds,
    activeCount: active.length,
    queuedCount: queued.length,
    active: seen(active),
    queued: seen(queued),
    opened: seen(opened),
    uploads: opened.filter(build => build.putStreams > 0 && mine(build.owner)).map(uploadOf),
    downloads: going.all.filter(download => mine(download.owner)).map(downloadOf),
    recent: recentFor(principal, context),
    connectedClients: context.connectedClients(),
  });
}

/** Newest first, as many as there is room for. */
function recentFor(principal: Principal, { state, recentBuilds }: StatusContext): BuildRecord[] {
  const most = Math.min(recentBuilds, MAX_RECENT);
  const kept = principal.kind === "guest" ? state.buildsOf(principal.owner, most * 2) : state.recent(most);
  const records: BuildRecord[] = [];
  let room = MAX_RECENT_BYTES;
  for (const build of kept) {
    if (build.end === undefined) continue;
    const record = briefRecord(storedRecord(build));
    room -= sizeOf(record);
    if (records.length >= most || room < 0) break;
    records.push(record);
  }
  return records;
}

/** In bytes, roughly and never too little. */
function sizeOf({ installable, client, result }: BuildRecord): number {
  return 256 + 4 * (installable.length + client.length + (result?.message.length ?? 0));
}

/** Short: there are many, and they are sent again with each change. A guest chooses how much a build names. */
function briefRecord(record: BuildRecord): BuildRecord {
  const { result } = record;
  const brief = { ...record, targets: [] };
  if (result === undefined) return brief;
  const message = [...result.message].slice(0, MAX_ERROR).join("");
  return { ...brief, result: { ...result, message, targets: [], failures: [] } };
}

function uploadOf(build: LiveBuild): MessageInitShape<typeof StatusTransferSchema> {
  return {
    buildId: idToBytes(build.id),
    installable: build.installable,
    client: build.clientName,
    streams: build.putStreams,
    bytes: BigInt(build.inputs.received),
    totalBytes: BigInt(build.inputs.expected),
  };
}

function downloadOf(download: Download): MessageInitShape<typeof StatusTransferSchema> {
  return {
    buildId: idToBytes(download.id),
    installable: download.installable,
    client: download.clientName,
    streams: download.streams,
    bytes: BigInt(download.bytes),
  };
}
