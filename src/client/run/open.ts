import { randomBytes } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type BuildOpenRequest,
  BuildOpenRequestSchema,
  BuildOutcome,
  type BuildRecord,
  BuildState,
} from "../../../gen/drvthru/v1/build_pb.js";
import type { Failure } from "../../lib/failure.ts";
import { type BuildId, idFromBytes, idToBytes } from "../../lib/ids.ts";
import type { Services } from "../connection/services.ts";
import { isLost, toFailure } from "../errors.ts";
import { describeInstallables } from "../plan/arguments.ts";
import type { PlanTarget } from "../plan/goal.ts";
import type { BuildRequest } from "../request.ts";
import { malformed } from "../wire.ts";
import type { Job } from "./job.ts";

/** Longest wait for one answer, in milliseconds. */
const TIMEOUT = 60_000;

/** What is the same in every attempt at a build: its targets and options. */
export function openRequest(targets: readonly PlanTarget[], request: BuildRequest): BuildOpenRequest {
  return create(BuildOpenRequestSchema, {
    targets: targets.map(({ drv, outputs }) => ({
      drvPath: drv,
      outputs: [...outputs].map(([name, path]) => ({ name, path })),
    })),
    options: { keepGoing: request.keepGoing ?? false, rebuild: request.rebuild ?? false },
    installable: Buffer.from(describeInstallables(request))
      .subarray(0, 500)
      .toString()
      .replace(/\ufffd+$/, ""),
  });
}

/** The part of an open request that makes two commands the same. */
export function requestDigestInput({ targets, options }: BuildOpenRequest): Uint8Array {
  return toBinary(BuildOpenRequestSchema, create(BuildOpenRequestSchema, { targets, ...(options && { options }) }));
}

/** An opened build and where it stands. */
export interface Opened {
  readonly build: BuildId;
  readonly state: BuildState;
}

/** Goes on with the job's build if the builder still has it, and opens one otherwise. `beside` may ask about the new build before that is answered. */
export async function openBuild(job: Job, services: Services, beside: (build: BuildId) => void): Promise<Opened> {
  const known = job.build === undefined ? undefined : await lookUp(job, job.build, services);
  if (known !== undefined) return known;
  const build = idFromBytes<BuildId>(randomBytes(32));
  if (build === undefined) throw new RangeError("32 bytes make an id");
  if (job.build !== undefined) await job.notes.remove(job.build);
  job.build = build;
  job.attached = false;
  job.lastSeq = 0n;
  job.end = undefined;
  await job.notes.write(job.noteKey, build);
  try {
    const opened = openAsNeeded(job, build, services);
    beside(build);
    const { state } = await opened;
    return { build, state };
  } catch (error) {
    const failure = toFailure(error, "opening the build");
    // If the link broke, the builder may have opened it.
    if (!isLost(failure)) {
      job.build = undefined;
      await job.notes.remove(build);
    }
    throw failure;
  }
}

/** `undefined`: the builder does not know it, or gave its use back before anything was built. */
async function lookUp(job: Job, build: BuildId, services: Services): Promise<Opened | undefined> {
  try {
    const answer = await services.build.get({ buildId: idToBytes(build) }, { timeoutMs: TIMEOUT, signal: job.signal });
    const record = answer.build;
    if (record === undefined || isGone(record, job)) return undefined;
    if (job.attached) await job.notes.write(job.noteKey, build);
    return { build, state: record.state };
  } catch (error) {
    const failure = toFailure(error, "looking for the unfinished build");
    if (failure.reason === "build-unknown") return undefined;
    throw failure;
  }
}

/** An unfinished build of an earlier run that was given back, or that nobody watched and so was cancelled, is begun again. */
function isGone({ state, result }: BuildRecord, job: Job): boolean {
  if (state !== BuildState.FINISHED) return false;
  const untold = job.attached || job.lastSeq === 0n;
  return untold && (result?.refunded === true || result?.outcome === BuildOutcome.CANCELLED);
}

async function openAsNeeded(job: Job, build: BuildId, services: Services): Promise<BuildRecord> {
  const request = { ...openRequest(job.plan.targets, job.request), buildId: idToBytes(build) };
  try {
    return await open(job, request, services);
  } catch (error) {
    const failure = toFailure(error, "opening the build");
    const insteadOf = failure.reason === "ticket-in-use" ? await ownReservation(job, services) : undefined;
    if (insteadOf === undefined) throw failure;
    return await open(job, { ...request, insteadOf }, services).catch(() => Promise.reject<never>(failure));
  }
}

async function open(job: Job, request: MessageInitShape<typeof BuildOpenRequestSchema>, services: Services) {
  const { build } = await services.build.open(request, { timeoutMs: TIMEOUT, signal: job.signal });
  if (build === undefined) throw malformed("no build");
  return build;
}

/** An own build that holds the ticket's use and has not started: an earlier run of this user that was given up. */
async function ownReservation(job: Job, services: Services): Promise<Uint8Array | undefined> {
  const { builds } = await services.build.list({}, { timeoutMs: TIMEOUT, signal: job.signal });
  return builds.find(record => record.state === BuildState.RESERVED)?.buildId;
}

/** Tells the builder to end a build. Best effort in a short time: without it the builder notices by itself. `built`: it came too late, the build had succeeded. */
export async function cancelBuild(build: BuildId, services: Services): Promise<{ built: boolean; untold?: Failure }> {
  try {
    const answer = await services.build.cancel({ buildId: idToBytes(build) }, { timeoutMs: 5000 });
    return { built: answer.build?.result?.outcome === BuildOutcome.BUILT };
  } catch (error) {
    return { built: false, untold: toFailure(error, "cancelling the build") };
  }
}
