import type { BuildResult, TargetResult, BuildEvent as WireEvent } from "../../../gen/drvthru/v1/build_pb.js";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import { cleanLine, cleanText } from "../../lib/terminal.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Services } from "../connection/services.ts";
import { reasonWord } from "../errors.ts";
import type { BuildEvent } from "../events.ts";
import { storePathFromWire } from "../transfer/path-info.ts";
import { guardStall } from "../transfer/stall.ts";
import { malformed, toNumber, toOutcome } from "../wire.ts";
import type { Activities } from "./activities.ts";
import type { BuildEnd } from "./build-end.ts";
import { failedDerivations } from "./end.ts";
import type { Job } from "./job.ts";

/** Follows a build from the last event that was seen to its result. `onOutput` hears of each output that can be fetched. */
export async function watchBuild(
  job: Job,
  build: BuildId,
  services: Pick<Services, "build">,
  onOutput: (path: StorePath) => void,
  outer: AbortSignal,
): Promise<BuildEnd> {
  // An earlier connection may have brought the result, and broken before everything was fetched.
  if (job.end !== undefined) return job.end;
  const scope = new AbortController();
  // A quiet builder sends empty messages.
  using guard = guardStall("following the build", AbortSignal.any([outer, scope.signal]));
  const { signal } = guard;
  try {
    const answers = services.build.watch({ buildId: idToBytes(build), after: job.lastSeq }, { signal });
    for await (const { events } of answers) {
      guard.moved();
      for (const event of events) {
        if (event.seq !== job.lastSeq + 1n) throw malformed("events with a gap");
        job.lastSeq = event.seq;
        job.end = tell(job, event, onOutput);
        if (job.end === undefined) continue;
        job.emit({ kind: "ended", outcome: job.end.outcome, failed: failedDerivations(job.end, job.activities) });
        return job.end;
      }
    }
  } finally {
    scope.abort();
  }
  throw malformed("no result of the build");
}

const MAX_LINE = 64 << 10;

function tell(job: Job, { event }: WireEvent, onOutput: (path: StorePath) => void): BuildEnd | undefined {
  if (event.case === "result") return toEnd(event.value);
  if (event.case === "outputReady") {
    const { drvPath, name } = event.value;
    const path = readyOutput(job, drvPath, name, event.value.path);
    job.emit({ kind: "output-ready", drvPath, name, path });
    onOutput(path);
    return undefined;
  }
  const told = toBuildEvent(event, job.activities);
  if (told !== undefined) job.emit(told);
  return undefined;
}

/** `undefined` for an event of a newer builder. */
function toBuildEvent(event: WireEvent["event"], activities: Activities): BuildEvent | undefined {
  switch (event.case) {
    case "queued":
      return { kind: "queued", position: event.value.position };
    case "started":
      return { kind: "started" };
    case "progress": {
      const { done, expected, running, failed } = event.value;
      const counts = { done: toNumber(done), expected: toNumber(expected), running: toNumber(running) };
      return { kind: "progress", ...counts, failed: toNumber(failed) };
    }
    case "derivationStarted":
    case "derivationPhase":
    case "derivationFinished":
    case "logLine":
      return activityEvent(event, toNumber(event.value.activity), activities);
    default:
      return undefined;
  }
}

type ActivityEvent = Extract<
  WireEvent["event"],
  { case: "derivationStarted" | "derivationPhase" | "derivationFinished" | "logLine" }
>;

function activityEvent(event: ActivityEvent, activity: number, activities: Activities): BuildEvent {
  if (event.case === "derivationStarted") {
    const path = storePathFromWire(event.value.path);
    activities.begin(activity, path);
    return { kind: "derivation-started", activity, path, substituted: event.value.substituted };
  }
  const path = activities.pathOf(activity);
  if (event.case === "derivationPhase") {
    return { kind: "derivation-phase", activity, path, phase: cleanLine(event.value.phase, 128) };
  }
  if (event.case === "derivationFinished") {
    activities.end(activity);
    return { kind: "derivation-finished", activity, path };
  }
  const text = cleanLine(event.value.text, MAX_LINE);
  if (path !== "") activities.log(path, text);
  return { kind: "log", activity, path, text };
}

/** The output must be one that was asked for, at the path that the derivation gives it. */
function readyOutput({ plan }: Job, drvPath: string, name: string, path: string): StorePath {
  const target = plan.targets.find(({ drv }) => drv === drvPath);
  const expected = target?.outputs.get(name);
  if (expected === undefined || expected !== path) {
    throw malformed(`an output ${cleanLine(path, 256)}, which is none of those that were asked for`);
  }
  return expected;
}

function toEnd(result: BuildResult): BuildEnd {
  return {
    outcome: toOutcome(result.outcome),
    message: cleanText(result.message, 4096),
    reason: reasonWord(result.reason),
    refunded: result.refunded,
    buildMilliseconds: toNumber(result.buildMilliseconds),
    queuedMilliseconds: toNumber(result.queuedMilliseconds),
    targets: result.targets.slice(0, 1024).map(toTarget),
    failures: result.failures.slice(0, 64).map(toTarget),
  };
}

function toTarget({ drvPath, outcome, message, dependencyFailed }: TargetResult) {
  return {
    drvPath: cleanLine(drvPath, 256),
    outcome: toOutcome(outcome),
    message: cleanText(message, 16 << 10),
    dependencyFailed,
  };
}
