import { BuildState } from "../../../gen/drvthru/v1/build_pb.js";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Connection } from "../connection/connection.ts";
import { refuseForeignSystems } from "../plan/refuse.ts";
import { createMeter } from "../transfer/meter.ts";
import { findMissing } from "../transfer/missing.ts";
import { putPaths } from "../transfer/put.ts";
import type { BuildEnd } from "./build-end.ts";
import { createChannel } from "./channel.ts";
import { importOutput } from "./import.ts";
import type { Job } from "./job.ts";
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
    await putPaths({ upload, build, openStore: around.openStore, meter, maxStreams, signal }, missing);
    meter.flush();
  });
  ledger.uploaded(meter.paths, meter.bytes);
  await services.build.start({ buildId: idToBytes(build) }, { timeoutMs: 60_000, signal });
}

/** Watches, and fetches each output as soon as it is there. The first failure of either ends both. */
async function followAndFetch(job: Job, build: BuildId, { services }: Connection): Promise<BuildEnd> {
  const scope = new AbortController();
  const signal = AbortSignal.any([job.signal, scope.signal]);
  const meter = createMeter(progress => job.emit({ kind: "download", ...progress }));
  const ready = createChannel<StorePath>({
    limit: Number.POSITIVE_INFINITY,
    droppable: () => false,
    gap: neverDropped,
  });
  // Once each, however often a builder says so: what waits here has no other limit than the outputs there are.
  const told = new Set<StorePath>();
  const tell = (path: StorePath) => {
    if (!told.has(path)) ready.push(path);
    told.add(path);
  };
  const watch = async () => {
    const end = await watchBuild(job, build, services, tell, signal);
    if (end.outcome === "built")
      for (const { outputs } of job.plan.targets) for (const path of outputs.values()) tell(path);
    ready.end();
    return end;
  };
  const fetch = async () => {
    for await (const path of ready) {
      await job.ledger.time("download", () => importOutput(job, path, { build, services, meter, signal }));
    }
  };
  const failing = <T>(work: Promise<T>) =>
    work.catch(error => {
      scope.abort(error);
      ready.end();
      throw error;
    });
  const [watched, fetched] = await Promise.allSettled([failing(watch()), failing(fetch())]);
  job.ledger.downloaded(meter.paths, meter.bytes);
  if (scope.signal.aborted) throw scope.signal.reason;
  if (watched.status === "rejected") throw watched.reason;
  if (fetched.status === "rejected") throw fetched.reason;
  return watched.value;
}

function neverDropped(): never {
  throw new TypeError("nothing is left out of a channel without a limit");
}
