import { Failure } from "../../lib/failure.ts";
import type { Store } from "../../nix/store.ts";
import { type Destination, findDestination } from "../connection/destination.ts";
import { loadIdentity } from "../connection/identity.ts";
import { cancelled, canGoOn, toFailure } from "../errors.ts";
import type { BuildEvent } from "../events.ts";
import { findHelper } from "../import/helper.ts";
import { stateFolder } from "../paths.ts";
import { describeInstallables } from "../plan/arguments.ts";
import { findGoal, type Goal, makePlan } from "../plan/plan.ts";
import { BuildFailure, type BuildReport } from "../report.ts";
import type { BuildRequest } from "../request.ts";
import { decideImport, readTrustSettings } from "../trust.ts";
import { createActivities } from "./activities.ts";
import { notNeeded } from "./downloads.ts";
import { failedDerivations, failureOfEnd } from "./end.ts";
import type { Job, Surroundings } from "./job.ts";
import { createLedger, type Ledger, type ReportedEnd } from "./ledger.ts";
import { checkLink, makeLink, type ResultLink, resultLinks } from "./link.ts";
import { openNotes } from "./notes.ts";
import { openRequest, requestDigestInput } from "./open.ts";
import { seeThrough } from "./reach.ts";

/** The whole life of a build. Throws a `Failure`; a build that ran and failed is a `BuildFailure`. */
export async function runBuild(
  request: BuildRequest,
  around: Surroundings,
  emit: (event: BuildEvent) => void,
): Promise<BuildReport> {
  const signal = request.signal ?? new AbortController().signal;
  if (signal.aborted) throw cancelled(signal.reason);
  checkFetches(request.narFetches);
  const destination = request.target && (await findDestination(request.target, around.env));
  const ledger = createLedger();
  let store: Store | undefined;
  try {
    store = await around.openStore(signal);
    return await liveIn(store, { request, around, emit, signal, destination, ledger });
  } catch (error) {
    throw signal.aborted && !saysMore(error) ? cancelled(signal.reason) : toFailure(error, "building");
  } finally {
    store?.close();
  }
}

/** Whatever a cancel happened to interrupt is no news; how the build ended there, and what is left to fetch, is. */
function saysMore(error: unknown): boolean {
  return error instanceof BuildFailure || (error instanceof Failure && error.reason === "fetch-interrupted");
}

function checkFetches(count: number | undefined): void {
  if (count === undefined || (Number.isInteger(count) && count >= 1 && count <= 64)) return;
  throw new Failure("usage", "this machine", `${count} streams for outputs are not possible: 1 to 64`);
}

interface Life {
  readonly request: BuildRequest;
  readonly around: Surroundings;
  readonly emit: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
  readonly destination: Destination | undefined;
  readonly ledger: Ledger;
}

async function liveIn(store: Store, life: Life): Promise<BuildReport> {
  const { request, around, emit, signal, ledger } = life;
  const onWarning = (text: string) => emit({ kind: "warning", text });
  const goal = await ledger.time("evaluate", () => findGoal(store, request, { run: around.runNix, onWarning, signal }));
  const cwd = request.cwd ?? process.cwd();
  const links = request.outLink === undefined ? [] : resultLinks(goal.requested, request.outLink, cwd);
  for (const link of links) await checkLink(link);
  const upToDate = goal.targets.length === 0;
  const milliseconds = ledger.report({ ...NOTHING, installable: "", derivations: [] }).evaluateMilliseconds;
  emit({ kind: "evaluated", derivations: goal.requested, upToDate, milliseconds });
  const report = upToDate
    ? ledger.report({ ...NOTHING, installable: describeInstallables(request), derivations: goal.requested })
    : await buildRemotely(store, goal, life);
  await root(store, links, emit);
  emit({ kind: "summary", report });
  return report;
}

const NOTHING = { endpointId: undefined, buildId: undefined, inputPaths: 0 };

async function root(store: Store, links: readonly ResultLink[], emit: Life["emit"]): Promise<void> {
  for (const item of links) {
    await makeLink(item);
    await store.addIndirectRoot(item.link);
    emit({ kind: "linked", ...item });
  }
}

async function buildRemotely(store: Store, goal: Goal, life: Life): Promise<BuildReport> {
  const job = await makeJob(store, goal, life);
  const end = await seeThrough(job)
    .catch(async error => {
      // What a broken connection or a full disk left is noted for the next run.
      if (job.build !== undefined && !canGoOn(toFailure(error, "building"))) await job.notes.remove(job.build);
      throw error;
    })
    .finally(async () => {
      const stopped = job.downloads?.stop(notNeeded());
      job.importer?.close();
      await stopped;
    });
  if (job.build !== undefined) await job.notes.remove(job.build);
  const reported: ReportedEnd = { ...end, failed: failedDerivations(end, job.activities) };
  const { endpointId } = job.destination.peer;
  const inputPaths = job.plan.inputs.length;
  const installable = describeInstallables(life.request);
  const facts = { installable, derivations: goal.requested, endpointId, buildId: job.build, inputPaths };
  const report = life.ledger.report(facts, reported);
  const failure = failureOfEnd(end, report);
  if (failure === undefined) return report;
  life.emit({ kind: "summary", report });
  throw failure;
}

async function makeJob(store: Store, goal: Goal, life: Life): Promise<Job> {
  const { request, around, emit, signal, destination, ledger } = life;
  if (destination === undefined) throw noTarget(goal);
  const identity = await loadIdentity(request.clientKeyFile, around.env);
  if (identity.file === undefined) {
    emit({ kind: "warning", text: "your client key could not be written, so it lives only as long as this command" });
  }
  const decide: Job["decide"] = key =>
    decideImport(store, key, {
      settings: () => readTrustSettings(around.runNix, signal),
      helper: () => findHelper(around.helperSocket, key, signal),
    });
  // A key that was only remembered may have changed, which is to be heard before what this machine thinks of the old one.
  const key = destination.keyFrom?.kind === "first-use" ? undefined : destination.signingKey;
  const right = key && (await decide(key));
  const plan = await makePlan(store, goal.targets);
  const { endpointId } = destination.peer;
  const notes = openNotes(stateFolder(around.env), text => emit({ kind: "warning", text }));
  const noteKey = {
    credential: destination.ticket?.id ?? identity.id,
    client: identity.id,
    endpointId,
    request: requestDigestInput(openRequest(plan.targets, request)),
  };
  const build = await notes.find(noteKey);
  const begun = {
    build,
    attached: build !== undefined,
    lastSeq: 0n,
    end: undefined,
    done: new Set<never>(),
    downloads: undefined,
    importer: undefined,
  };
  const fixed = { around, request, signal, emit, destination, identity, plan, notes, noteKey, ledger, decide };
  return { ...fixed, ...begun, activities: createActivities(), key, right };
}

function noTarget({ targets }: Goal): Failure {
  const lacking = targets
    .map(target => target.drv)
    .slice(0, 3)
    .join(", ");
  return new Failure("usage", "this machine", `no builder was named, and this is not built here yet: ${lacking}`, {
    reason: "no-target",
    fix: "pass --ticket TICKET; or --builder NAME or --server ENDPOINT_ID if the builder trusts your key",
  });
}
