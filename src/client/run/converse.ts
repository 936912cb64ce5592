import { BuildState } from "../../../gen/drvthru/v1/build_pb.js";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Connection } from "../connection/connection.ts";
import { toFailure } from "../errors.ts";
import { refuseForeignSystems } from "../plan/refuse.ts";
import type { Encoding } from "../transfer/encoding.ts";
import { createMeter } from "../transfer/meter.ts";
import { findMissing } from "../transfer/missing.ts";
import { putPaths } from "../transfer/put.ts";
import type { BuildEnd } from "./build-end.ts";
import { Downloads, notNeeded } from "./downloads.ts";
import type { Job, JobDownloads } from "./job.ts";
import { openBuild } from "./open.ts";
import { watchBuild } from "./watch.ts";

/**
 * Takes a job to its end over one connection, from wherever it stands: every step may have been done before by a connection that broke.
 * Throws whatever failed; nothing of it runs on afterwards.
 */
export async function converse(job: Job, connection: Connection): Promise<BuildEnd> {
  job.key ??= connection.signingKey;
  job.right ??= await job.decide(job.key);
  const targets = new Set(job.plan.targets.map(target => target.drv));
  refuseForeignSystems(job.plan.derivations.values(), targets, connection.principal);
  const { services } = connection;
  let asked: Promise<PathInfo[]> | undefined;
  const { build, state } = await openBuild(job, services, id => {
    asked = findMissing(services.upload, id, job.plan.inputs, job.signal);
    // Where the build is not opened nobody asks what came of it.
    asked.catch(() => undefined);
  });
  job.emit({ kind: "opened", buildId: build, attached: job.attached });
  if (state !== BuildState.RESERVED) return await followAndFetch(job, build, connection, undefined);
  await send(job, build, connection, asked);
  const start = (signal: AbortSignal) =>
    services.build.start({ buildId: idToBytes(build) }, { timeoutMs: 60_000, signal });
  return await followAndFetch(job, build, connection, start);
}

/** What was asked beside `Open`. It may have overtaken that, or `Open` was tried twice: then it is asked again. */
async function missingOf(
  job: Job,
  build: BuildId,
  services: Connection["services"],
  asked: Promise<PathInfo[]> | undefined,
): Promise<PathInfo[]> {
  const again = () => findMissing(services.upload, build, job.plan.inputs, job.signal);
  if (asked === undefined) return await again();
  return await asked.catch(error => {
    if (toFailure(error, "asking what the builder lacks").reason === "build-unknown") return again();
    throw error;
  });
}

async function send(
  job: Job,
  build: BuildId,
  { services, principal }: Connection,
  asked: Promise<PathInfo[]> | undefined,
): Promise<void> {
  const { signal, plan, ledger, around } = job;
  const meter = createMeter(progress => job.emit({ kind: "upload", ...progress }));
  await ledger.time("upload", async () => {
    const missing = await missingOf(job, build, services, asked);
    const bytes = missing.reduce((sum, info) => sum + info.narSize, 0);
    job.emit({ kind: "missing", paths: missing.length, bytes, of: plan.inputs.length });
    if (missing.length === 0) return;
    meter.expect(missing.length, bytes);
    const { upload } = services;
    const { maxPutStreams: maxStreams } = principal;
    const encoding = (encoding: Encoding) => job.emit({ kind: "upload-encoding", encoding, bytes: meter.bytes });
    await putPaths({ upload, build, openStore: around.openStore, meter, maxStreams, encoding, signal }, missing);
    meter.flush();
  });
  ledger.uploaded(meter.paths, meter.bytes);
}

/** Starts the build if it has to be, watches from the same moment on, and fetches each output as soon as it is there. The first failure of either ends the watch; the downloads outlive the connection. */
async function followAndFetch(
  job: Job,
  build: BuildId,
  { services }: Connection,
  start: ((signal: AbortSignal) => Promise<unknown>) | undefined,
): Promise<BuildEnd> {
  const downloads = await downloadsOf(job, build);
  const broken = downloads.carrier.take(services);
  const scope = new AbortController();
  const signal = AbortSignal.any([job.signal, scope.signal]);
  const watch = async () => {
    const end = await watchBuild(job, build, services, path => downloads.tell(path), signal);
    if (end.outcome === "built")
      for (const { outputs } of job.plan.targets) for (const path of outputs.values()) downloads.tell(path);
    downloads.noMore();
    return end;
  };
  const started = start?.(signal);
  const watched = watch();
  try {
    const [end] = await Promise.race([Promise.all([watched, downloads.finished, started]), broken]);
    return end;
  } catch (error) {
    scope.abort(error);
    downloads.carrier.lose(services, toFailure(error, "following the build"));
    // It ends because of the same error.
    await Promise.allSettled([watched, started]);
    throw error;
  }
}

/** The downloads of this build, which may have begun over a connection that broke. */
async function downloadsOf(job: Job, build: BuildId): Promise<JobDownloads> {
  if (job.downloads?.build === build) return job.downloads;
  await job.downloads?.stop(notNeeded());
  job.downloads = new Downloads(job, build);
  return job.downloads;
}
