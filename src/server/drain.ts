import { setTimeout as sleep } from "node:timers/promises";
import { BuildOutcome } from "../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { Builds } from "./build/builds.ts";

/** How long a stop may take. Times are milliseconds. */
export interface DrainLimits {
  /** For running builds to end. */
  readonly builds: number;
  /** For clients to fetch what was built. */
  readonly fetches: number;
}

const STEP = 50;
/** Without a call for so long, nobody fetches. */
const QUIET = 1_000;

const STOPPING = {
  outcome: BuildOutcome.BUILDER_FAILED,
  message: "the builder is stopping; run the command again in a while",
  reason: Reason.DRAINING,
  refund: true,
} as const;

/** Ends what has not begun, with its use given back, and waits for what runs. What is not done in time is ended and given back too. */
export async function drainBuilds(builds: Builds, limits: DrainLimits, signal: AbortSignal): Promise<void> {
  builds.drain();
  const waiting = builds.live.filter(build => build.phase !== "running");
  await Promise.all(waiting.map(build => builds.end(build, STOPPING)));
  const until = performance.now() + limits.builds;
  while (builds.live.length > 0 && performance.now() < until && !signal.aborted) await sleep(STEP);
  await Promise.all(builds.live.map(build => builds.end(build, STOPPING)));
}

/** What the connections of a builder are doing. */
export interface Traffic {
  /** Connections whose peer has proved who it is. */
  readonly known: number;
  readonly activeCalls: number;
}

/** Waits until nobody is connected, or no call has been under way for a moment: clients fetch what has just been built. */
export async function quietCalls(traffic: Traffic, limits: DrainLimits, signal: AbortSignal): Promise<void> {
  const until = performance.now() + limits.fetches;
  let busy = performance.now();
  while (traffic.known > 0 && performance.now() < until && performance.now() - busy < QUIET && !signal.aborted) {
    if (traffic.activeCalls > 0) busy = performance.now();
    await sleep(STEP);
  }
}
