import type { BuildResult, BuildEvent as WireEvent } from "../../../gen/drvthru/v1/build_pb.js";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import { cleanLine, cleanText } from "../../lib/terminal.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Services } from "../connection/services.ts";
import { reasonWord } from "../errors.ts";
import { storePathFromWire } from "../transfer/path-info.ts";
import { guardStall } from "../transfer/stall.ts";
import { malformed, toNumber, toOutcome } from "../wire.ts";
import type { BuildEnd } from "./build-end.ts";
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
        if (job.end !== undefined) return job.end;
      }
    }
  } finally {
    scope.abort();
  }
  throw malformed("no result of the build");
}

const MAX_LINE = 64 << 10;

function tell(job: Job, { event }: WireEvent, onOutput: (path: StorePath) => void): BuildEnd | undefined {
  const { emit, activities } = job;
  switch (event.case) {
    case "queued":
      emit({ kind: "queued", position: event.value.position });
      break;
    case "started":
      emit({ kind: "started" });
      break;
    case "derivationStarted": {
      const activity = toNumber(event.value.activity);
      const path = storePathFromWire(event.value.path);
      activities.begin(activity, path);
      emit({ kind: "derivation-started", activity, path, substituted: event.value.substituted });
      break;
    }
    case "derivationPhase": {
      const activity = toNumber(event.value.activity);
      const phase = cleanLine(event.value.phase, 128);
      emit({ kind: "derivation-phase", activity, path: activities.pathOf(activity), phase });
      break;
    }
    case "derivationFinished": {
      const activity = toNumber(event.value.activity);
      emit({ kind: "derivation-finished", activity, path: activities.pathOf(activity) });
      activities.end(activity);
      break;
    }
    case "logLine": {
      const activity = toNumber(event.value.activity);
      const path = activities.pathOf(activity);
      const text = cleanLine(event.value.text, MAX_LINE);
      if (path !== "") activities.log(path, text);
      emit({ kind: "log", activity, path, text });
      break;
    }
    case "progress": {
      const { done, expected, running, failed } = event.value;
      const counts = { done: toNumber(done), expected: toNumber(expected), running: toNumber(running) };
      emit({ kind: "progress", ...counts, failed: toNumber(failed) });
      break;
    }
    case "outputReady": {
      const path = readyOutput(job, event.value.drvPath, event.value.name, event.value.path);
      emit({ kind: "output-ready", drvPath: event.value.drvPath, name: event.value.name, path });
      onOutput(path);
      break;
    }
    case "result":
      return toEnd(event.value);
    default:
      // Of a newer builder.
      break;
  }
  return undefined;
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
    targets: result.targets.slice(0, 1024).map(target => ({
      drvPath: cleanLine(target.drvPath, 256),
      outcome: toOutcome(target.outcome),
      message: cleanText(target.message, 16 << 10),
    })),
  };
}
