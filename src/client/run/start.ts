import { setTimeout } from "node:timers/promises";
import { openDaemon } from "../../nix/daemon/open.ts";
import type { BuildRun } from "../build-run.ts";
import type { BuildEvent } from "../events.ts";
import { helperSocket } from "../paths.ts";
import type { RunNix } from "../plan/nix-process.ts";
import { chooseStore } from "../plan/store-choice.ts";
import type { BuildRequest } from "../request.ts";
import { createChannel } from "./channel.ts";
import type { Surroundings } from "./job.ts";
import { runBuild } from "./run.ts";

/**
 * Milliseconds that an evaluation takes where there is nothing to build. Until then nobody knows whether a builder is needed, and to load what a connection
 * needs would only hold up the answer.
 */
const QUICK = 40;

/** Starts a build with this machine's Nix and network. */
export function startHere(request: BuildRequest, runNix: RunNix): BuildRun {
  const openStore: Surroundings["openStore"] = async signal =>
    openDaemon({ ...chooseStore(request.store, request.cwd ?? process.cwd())?.daemon, signal });
  const wait: Surroundings["wait"] = (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal });
  const notQuick: Surroundings["notQuick"] = signal => setTimeout(QUICK, undefined, { signal });
  const dial: Surroundings["dial"] = async (...peer) => (await import("./with-builder.ts")).dialIroh(...peer);
  return startBuild(request, {
    openStore,
    dial,
    notQuick,
    runNix,
    env: process.env,
    helperSocket: helperSocket(process.env),
    wait,
  });
}

/** Lines of log that may wait for whoever reads the events. */
const MAX_WAITING = 20_000;

/** Starts a build in given surroundings. */
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
