import { setTimeout } from "node:timers/promises";
import { openDaemon } from "../nix/daemon/open.ts";
import type { BuildRun } from "./build-run.ts";
import type { BuildEvent } from "./events.ts";
import { dialIroh } from "./iroh.ts";
import { helperSocket } from "./paths.ts";
import { runNix } from "./plan/nix-process.ts";
import { chooseStore } from "./plan/store-choice.ts";
import type { BuildRequest } from "./request.ts";
import { createChannel } from "./run/channel.ts";
import type { Surroundings } from "./run/job.ts";
import { runBuild } from "./run/run.ts";

/** Builds on someone else's machine: evaluates here, sends what is missing, builds there, imports the outputs here. Starts at once. */
export function build(request: BuildRequest): BuildRun {
  const openStore: Surroundings["openStore"] = async signal =>
    openDaemon({ ...chooseStore(request.store, request.cwd ?? process.cwd())?.daemon, signal });
  const wait: Surroundings["wait"] = (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal });
  return startBuild(request, {
    openStore,
    dial: dialIroh,
    runNix,
    env: process.env,
    helperSocket: helperSocket(process.env),
    wait,
  });
}

/** Lines of log that may wait for whoever reads the events. */
const MAX_WAITING = 20_000;

/** {@link build} in given surroundings. */
export function startBuild(request: BuildRequest, around: Surroundings): BuildRun {
  const events = createChannel<BuildEvent>({
    limit: MAX_WAITING,
    droppable: event => event.kind === "log" || event.kind === "progress",
    gap: lines => ({ kind: "log-skipped", lines }),
  });
  const result = runBuild(request, around, events.push).finally(events.end);
  // Who only iterates hears of a failure there; the promise stays to be asked.
  result.catch(() => undefined);
  return { result, [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() };
}
