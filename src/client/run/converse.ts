import { BuildState } from "../../../gen/drvthru/v1/build_pb.js";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
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
  const { build, state } = await openBuild(job, connection.services);
  job.emit({ kind: "opened", buildId: build, attached: job.attached });
  if (state === BuildState.RESERVED) await sendAndStart(job, build, connection);
  return await followAndFetch(job, build, connection);
}

async function sendAndStart(job: Job, build: BuildId, { services, principal }: Connection): Promise<void> {
  const { signal, plan, ledger, around } = job;
  const meter = createMeter(progress => job.emit({ kind: "upload", ...progress }));
  await ledger.time("upload", async () => {
    const missing = await findMissing(services.upload, build, plan.inputs, signal);
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
  await services.build.start({ buildId: idToBytes(build) }, { timeoutMs: 60_000, signal });
}

/** Watches, and fetches each output as soon as it is there. The first failure of either ends the watch; the downloads outlive the connection. */
async function followAndFetch(job: Job, build: BuildId, { services }: Connection): Promise<BuildEnd> {
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
  const watched = watch();
  try {
    const [end] = await Promise.race([Promise.all([watched, downloads.finished]), broken]);
    return end;
  } catch (error) {
    scope.abort(error);
    downloads.carrier.lose(services, toFailure(error, "following the build"));
    // It ends because of the same error.
    await watched.catch(() => undefined);
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
