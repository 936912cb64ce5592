import { create, fromBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type BuildOutcome,
  type BuildRecord,
  BuildRecordSchema,
  type BuildResult,
  BuildResultSchema,
  BuildState,
} from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { idToBytes } from "../../lib/ids.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { StoredBuild } from "../../state/state.ts";
import { cut } from "../refusal.ts";
import type { LiveBuild, LivePhase } from "./live-build.ts";
import { decodeRequest, targetsToWire } from "./request.ts";

/** How a build ends. */
export interface Ending {
  readonly outcome: BuildOutcome;
  /** One sentence unless it was built. */
  readonly message: string;
  readonly reason?: Reason;
  readonly targets?: readonly TargetEnding[];
  /** Derivations that are no targets and failed themselves. */
  readonly failures?: readonly DerivationEnding[];
  /** The use is given back. */
  readonly refund: boolean;
}

/** How one derivation ended. */
interface DerivationEnding {
  readonly drv: StorePath;
  readonly outcome: BuildOutcome;
  readonly message: string;
}

/** How one target ended. */
export interface TargetEnding extends DerivationEnding {
  /** It was not built itself: a derivation that it needs has failed. */
  readonly dependencyFailed: boolean;
}

const MAX_MESSAGE = 4 * 1024;
const MAX_TARGET_MESSAGE = 16 * 1024;
/** All messages of the targets together, so that a result fits into one message of the wire. */
const MAX_TARGET_MESSAGES = 512 * 1024;

/** The result that is kept and told. */
export function resultOf(build: LiveBuild, ending: Ending, now: number): BuildResult {
  const targets = ending.targets ?? [];
  const failures = Math.max(1, targets.filter(target => target.message !== "").length);
  const room = Math.min(MAX_TARGET_MESSAGE, Math.floor(MAX_TARGET_MESSAGES / failures));
  const slot = build.startedAt ?? now;
  return create(BuildResultSchema, {
    outcome: ending.outcome,
    message: cut(ending.message, MAX_MESSAGE),
    reason: ending.reason ?? Reason.UNSPECIFIED,
    refunded: ending.refund,
    targets: targets.map(({ drv, outcome, message, dependencyFailed }) => ({
      drvPath: drv,
      outcome,
      message: cut(message, room),
      dependencyFailed,
    })),
    failures: (ending.failures ?? []).map(({ drv, outcome, message }) => ({ drvPath: drv, outcome, message })),
    buildMilliseconds: elapsed(slot, now),
    queuedMilliseconds: elapsed(build.queuedAt ?? slot, slot),
  });
}

function elapsed(from: number, to: number): bigint {
  return BigInt(Math.max(0, Math.round(to - from)));
}

const STATES: Record<LivePhase, BuildState> = {
  reserved: BuildState.RESERVED,
  starting: BuildState.RESERVED,
  queued: BuildState.QUEUED,
  running: BuildState.RUNNING,
  ended: BuildState.FINISHED,
};

/** What is told of a build that has not ended. */
export function liveRecord(build: LiveBuild): BuildRecord {
  return create(BuildRecordSchema, {
    buildId: idToBytes(build.id),
    state: STATES[build.phase],
    installable: build.installable,
    client: build.clientName,
    ...times({ openedAt: build.openedAt, queuedAt: build.queuedAt, startedAt: build.startedAt }),
    queuePosition: build.phase === "queued" ? build.position : 0,
    uploadedBytes: BigInt(build.inputs.received),
    downloadedBytes: BigInt(build.downloaded.bytes),
    rebuild: build.request.rebuild,
    targets: targetsToWire(build.request),
    maxBuildSeconds: BigInt(build.maxBuildSeconds ?? 0),
    maxUploadBytes: BigInt(build.inputs.limit ?? 0),
  });
}

/** What is told of a build as it is kept. */
export function storedRecord(build: StoredBuild): BuildRecord {
  const request = decodeRequest(build.request);
  const result = build.end && fromBinary(BuildResultSchema, build.end.result);
  const finishedAt = build.end?.at;
  const startedAt = build.committedAt;
  const queued = Number(result?.queuedMilliseconds ?? 0);
  const slot = startedAt ?? finishedAt;
  const queuedAt = slot !== undefined && (queued > 0 || startedAt !== undefined) ? slot - queued : undefined;
  return create(BuildRecordSchema, {
    buildId: idToBytes(build.id),
    state: build.end ? BuildState.FINISHED : BuildState.RESERVED,
    installable: build.installable,
    client: build.clientName,
    ...times({ openedAt: build.openedAt, queuedAt, startedAt, finishedAt }),
    uploadedBytes: BigInt(build.end?.uploadedBytes ?? 0),
    downloadedBytes: BigInt(build.end?.downloadedBytes ?? 0),
    ...(result && { result }),
    rebuild: request.rebuild,
    targets: targetsToWire(request),
  });
}

const TIMES = ["openedAt", "queuedAt", "startedAt", "finishedAt"] as const;

function times(values: { readonly [K in (typeof TIMES)[number]]?: number | undefined }) {
  const known: { [K in (typeof TIMES)[number]]?: Timestamp } = {};
  for (const name of TIMES) {
    const at = values[name];
    if (at !== undefined) known[name] = timestampFromMs(at);
  }
  return known;
}
