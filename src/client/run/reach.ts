import type { Failure } from "../../lib/failure.ts";
import { cleanLine } from "../../lib/terminal.ts";
import { formatPublicKey, type PublicKey } from "../../nix/signing-key.ts";
import { cancelled } from "../cancelled.ts";
import { CONNECT_TIMEOUT_MS, type Connection, openConnection } from "../connection/connection.ts";
import { canGoOn, fetchInterrupted, isLost, toFailure } from "../errors.ts";
import { writePin } from "../pins.ts";
import type { BuildEnd } from "./build-end.ts";
import { converse } from "./converse.ts";
import type { Job } from "./job.ts";
import { cancelBuild } from "./open.ts";

/** How long a builder that was reached before is looked for again, in milliseconds: as long as it holds a reservation without a connection. */
const RECONNECT_MS = 60_000;
/** Connections that may break one after another without anything having moved. */
const MAX_FRUITLESS = 5;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

/** Brings a job to its end over as many connections as it takes. */
export async function seeThrough(job: Job): Promise<BuildEnd> {
  let fruitless = 0;
  for (let patience = CONNECT_TIMEOUT_MS; ; patience = RECONNECT_MS) {
    const connection = await reach(job, patience);
    const before = progressOf(job);
    try {
      return await converse(job, connection);
    } catch (error) {
      const failure = job.signal.aborted ? cancelled(job.signal.reason) : toFailure(error, "building");
      fruitless = progressOf(job) === before ? fruitless + 1 : 0;
      if (job.signal.aborted || !isLost(failure) || fruitless >= MAX_FRUITLESS)
        throw await giveUp(job, connection, failure);
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** fruitless);
      job.emit({ kind: "reconnecting", reason: failure.message, waitMilliseconds: wait });
      await pause(job, wait);
    } finally {
      await connection.close();
    }
  }
}

function progressOf(job: Job): string {
  return `${job.lastSeq}/${job.done.size}/${job.downloads?.wireBytes}`;
}

/** Nobody waits for this build any more: the builder need not finish it. A broken connection leaves it to be taken up again. */
async function giveUp(job: Job, { services }: Connection, failure: Failure): Promise<Failure> {
  if (canGoOn(failure) || job.build === undefined) return failure;
  const { built, untold } = await cancelBuild(job.build, services);
  if (job.signal.aborted && (built || job.end?.outcome === "built")) return fetchInterrupted(failure);
  if (untold !== undefined && untold.reason !== "build-unknown" && job.signal.aborted) {
    job.emit({
      kind: "warning",
      text: `the builder did not answer the cancel; it ends the build by itself soon: ${untold.message}`,
    });
  }
  return failure;
}

async function reach(job: Job, patienceMs: number): Promise<Connection> {
  const { around, identity, signal, emit } = job;
  // A builder that was reached before must still be the one that it was.
  const destination = job.key === undefined ? job.destination : { ...job.destination, signingKey: job.key };
  const deadline = performance.now() + patienceMs;
  let telling: Failure | undefined;
  for (let attempt = 1; ; attempt++) {
    emit({ kind: "connecting", endpointId: destination.peer.endpointId, attempt });
    try {
      const timeoutMs = Math.min(CONNECT_TIMEOUT_MS, Math.max(1000, Math.ceil(deadline - performance.now())));
      const begun = attempt === 1 ? job.ahead?.take() : undefined;
      const connection = await (begun ?? openConnection(around.dial, destination, identity, { signal, timeoutMs }));
      const { acceptedAs, builderVersion } = connection.principal;
      const endpointId = destination.peer.endpointId;
      emit({ kind: "connected", endpointId, as: acceptedAs, builderVersion, path: connection.path() });
      connection.watchPath((path, address) => emit({ kind: "path", path, address: cleanLine(address, 256) }));
      if (destination.signingKey === undefined) await remember(job, connection.signingKey);
      return connection;
    } catch (error) {
      const failure = signal.aborted ? cancelled(signal.reason) : toFailure(error, "connecting");
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
      if (failure.code !== "unreachable" || failure.reason === "wrong-endpoint") throw failure;
      // An attempt that just ran out of time says less than one before it that knew why.
      if (telling === undefined || failure.reason !== "no-answer") telling = failure;
      if (performance.now() + wait >= deadline) throw telling;
      emit({ kind: "reconnecting", reason: failure.message, waitMilliseconds: wait });
      await pause(job, wait);
    }
  }
}

/** The key by which the builder is known from now on. */
async function remember({ destination, around, emit }: Job, key: PublicKey): Promise<void> {
  const { endpointId } = destination.peer;
  const trouble = await writePin(endpointId, key, around.env);
  const text = formatPublicKey(key);
  if (trouble === undefined) emit({ kind: "key-remembered", endpointId, signingKey: text });
  else emit({ kind: "warning", text: `the builder's signing key ${text} cannot be remembered: ${trouble}` });
}

async function pause({ signal, around }: Job, milliseconds: number): Promise<void> {
  try {
    await around.wait(milliseconds, signal);
  } catch {
    // The only way out of a sleep before its time is the signal.
    throw cancelled(signal.reason);
  }
}
