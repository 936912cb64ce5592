import { setTimeout as sleep } from "node:timers/promises";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Build, BuildRecord } from "../../../gen/drvthru/v1/build_pb.js";
import { connectionOf } from "../connection.ts";
import type { ServerLimits } from "../limits.ts";
import { guestOf, principalOf } from "../principal.ts";
import type { Builds } from "./builds.ts";
import { cancelled } from "./endings.ts";
import type { KeptBuilds } from "./kept-builds.ts";
import type { LiveBuild } from "./live-build.ts";
import type { FoundBuild } from "./lookup.ts";
import { buildIdFromWire, openRequestFromWire } from "./request.ts";
import type { Scheduler } from "./scheduler.ts";

const LIST_DEFAULT = 64;
const LIST_MOST = 256;

/** What the service `Build` works with. */
export interface BuildContext {
  readonly builds: Builds;
  readonly kept: KeptBuilds;
  readonly scheduler: Scheduler;
  readonly limits: ServerLimits;
}

/** The service `Build`: builds, each one use of a credential. */
export function buildService({ builds, kept, scheduler, limits }: BuildContext): ServiceImpl<typeof Build> {
  const find = async (id: Uint8Array, call: HandlerContext): Promise<FoundBuild> => {
    const principal = await principalOf(call);
    const found = builds.find(buildIdFromWire(id), principal);
    if ("live" in found && principal.kind === "guest") builds.attach(found.live, connectionOf(call));
    return found;
  };
  const now = async (id: Uint8Array, call: HandlerContext): Promise<BuildRecord> =>
    builds.record(builds.find(buildIdFromWire(id), await principalOf(call)));

  return {
    async open(request, call) {
      const guest = await guestOf(call);
      const build = await builds.open(openRequestFromWire(request), guest, connectionOf(call));
      return { build };
    },

    async start(request, call) {
      const found = await find(request.buildId, call);
      if ("live" in found) await scheduler.start(found.live);
      return { build: await now(request.buildId, call) };
    },

    async *watch(request, call) {
      const found = await find(request.buildId, call);
      const events = "live" in found ? found.live.events : await kept.endedEvents(found.stored);
      try {
        for await (const batch of events.watch(request.after, limits.keepAlive, call.signal)) yield { events: batch };
      } finally {
        if ("stored" in found) await events.close();
      }
    },

    async cancel(request, call) {
      const found = await find(request.buildId, call);
      if ("live" in found) await cancelBuild(builds, found.live, "cancelled", limits.daemonCancelTime);
      return { build: await now(request.buildId, call) };
    },

    async get(request, call) {
      return { build: builds.record(await find(request.buildId, call)) };
    },

    async list(request, call) {
      const principal = await principalOf(call);
      const most = Math.min(request.limit || LIST_DEFAULT, LIST_MOST);
      return { builds: builds.list(principal, most) };
    },
  };
}

/** Ends a build. One that had a slot has spent its use, and the daemon has had the time that it needs to end the build's processes. */
export async function cancelBuild(builds: Builds, build: LiveBuild, why: string, daemonTime: number): Promise<void> {
  const running = build.phase === "running";
  await builds.end(build, cancelled(why, !running));
  // A pause, because there is nothing to wait for: the daemon kills the processes as soon as our connection closes (18 to 37 ms were measured), and by then
  // can tell us nothing. It would do so only on both ends' close, so half a close asks for nothing; its locks are root's files; which process of
  // its own served us it says to nobody; and a hardened service sees no processes of others. What is to be true within a second is a test's matter.
  if (running) await sleep(daemonTime);
}
