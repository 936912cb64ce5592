import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type BuilderStatus, BuilderStatusSchema, type Status } from "../../gen/drvthru/v1/status_pb.js";
import { type EndpointId, idToBytes } from "../lib/ids.ts";
import type { State } from "../state/state.ts";
import { type Owner, sameOwner } from "../tickets/use.ts";
import type { Builds } from "./build/builds.ts";
import type { LiveBuild } from "./build/live-build.ts";
import { liveRecord, storedRecord } from "./build/record.ts";
import type { Scheduler } from "./build/scheduler.ts";
import { type Principal, principalOf } from "./principal.ts";

/** At most ten a second. */
const SHORTEST_PAUSE = 100;

/** What the status tells of. */
export interface StatusContext {
  readonly builds: Builds;
  readonly scheduler: Scheduler;
  readonly state: State;
  readonly endpoint: EndpointId;
  readonly version: string;
  readonly startedAt: number;
  readonly maxConcurrentBuilds: number;
  /** Ended builds that are told. */
  readonly recentBuilds: number;
  /** A quiet watch says after this time in milliseconds that it is alive. */
  readonly keepAlive: number;
  /** Connections with a settled principal. */
  readonly connectedClients: () => number;
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
        yield { status: statusFor(principal, context) };
        const changed = context.builds.changed.wait(context.keepAlive, call.signal);
        await Promise.all([changed, sleep(SHORTEST_PAUSE, undefined, { signal: call.signal })]);
      }
    },
  };
}

function statusFor(principal: Principal, context: StatusContext): BuilderStatus {
  const { builds, scheduler, state } = context;
  const mine = (owner: Owner) => principal.kind === "administrator" || sameOwner(owner, principal.owner);
  const seen = (live: readonly LiveBuild[]) => live.filter(build => mine(build.owner)).map(liveRecord);
  const active = builds.live.filter(build => build.phase === "running");
  const { queued } = scheduler;
  const opened = builds.live.filter(build => build.phase === "reserved" || build.phase === "starting");
  const most = context.recentBuilds;
  const recent = principal.kind === "guest" ? state.buildsOf(principal.owner, most * 2) : state.recent(most);
  return create(BuilderStatusSchema, {
    endpointId: idToBytes(context.endpoint),
    version: context.version,
    startedAt: timestampFromMs(context.startedAt),
    draining: builds.draining,
    maxConcurrentBuilds: context.maxConcurrentBuilds,
    activeCount: active.length,
    queuedCount: queued.length,
    active: seen(active),
    queued: seen(queued),
    opened: seen(opened),
    recent: recent
      .filter(build => build.end !== undefined)
      .slice(0, most)
      .map(storedRecord),
    connectedClients: context.connectedClients(),
  });
}
