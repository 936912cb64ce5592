import { Failure } from "../../lib/failure.ts";
import type { Store } from "../../nix/store.ts";
import { loadIdentity } from "../connection/identity.ts";
import { canGoOn, toFailure } from "../errors.ts";
import type { BuildEvent } from "../events.ts";
import { findHelper } from "../import/helper.ts";
import { stateFolder } from "../paths.ts";
import { describeInstallables } from "../plan/arguments.ts";
import type { Goal } from "../plan/goal.ts";
import { makePlan } from "../plan/plan.ts";
import type { BuildReport } from "../report.ts";
import type { BuildRequest } from "../request.ts";
import { decideImport, readTrustSettings } from "../trust.ts";
import { createActivities } from "./activities.ts";
import type { ConnectionAhead } from "./ahead.ts";
import { notNeeded } from "./downloads.ts";
import { failedDerivations, failureOfEnd } from "./end.ts";
import type { Job, Surroundings } from "./job.ts";
import type { Ledger, ReportedEnd } from "./ledger.ts";
import { openNotes } from "./notes.ts";
import { openRequest, requestDigestInput } from "./open.ts";
import { seeThrough } from "./reach.ts";
import type { Sought } from "./seek-destination.ts";

/** What a build stands on from its beginning. */
export interface Life {
  readonly request: BuildRequest;
  readonly around: Surroundings;
  readonly emit: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
  readonly destination: Sought | undefined;
  /** The connection that is made meanwhile, where there is a destination. */
  readonly ahead: ConnectionAhead | undefined;
  readonly ledger: Ledger;
}

/** Has a builder build what is not valid here. Throws a `Failure`; a build that ran and failed is a `BuildFailure`. */
export async function buildRemotely(store: Store, goal: Goal, life: Life): Promise<BuildReport> {
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
  const { request, around, emit, signal, ahead, ledger } = life;
  if (life.destination === undefined) throw noTarget(goal);
  const destination = await life.destination();
  const identity = await (ahead?.identity() ?? loadIdentity(request.clientKeyFile, around.env));
  if (identity.file === undefined) {
    emit({ kind: "warning", text: "your client key could not be written, so it lives only as long as this command" });
  }
  const decide: Job["decide"] = key =>
    decideImport(store, key, {
      settings: () => ahead?.settings() ?? readTrustSettings(around.runNix, signal),
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
  const fixed = { around, request, signal, emit, destination, identity, ahead, plan, notes, noteKey, ledger, decide };
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
