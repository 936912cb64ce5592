import { Failure } from "../../lib/failure.ts";
import type { Store } from "../../nix/store.ts";
import { cancelled } from "../cancelled.ts";
import type { BuildEvent } from "../events.ts";
import { describeInstallables, parseInstallables } from "../plan/arguments.ts";
import { findGoal } from "../plan/goal.ts";
import { BuildFailure, type BuildReport } from "../report.ts";
import type { BuildRequest } from "../request.ts";
import { ConnectionAhead } from "./ahead.ts";
import type { Surroundings } from "./job.ts";
import { createLedger } from "./ledger.ts";
import { checkLink, makeLink, type ResultLink, resultLinks } from "./link.ts";
import type { Life } from "./remote.ts";
import { seekDestination } from "./seek-destination.ts";

/** The whole life of a build. Throws a `Failure`; a build that ran and failed is a `BuildFailure`. */
export async function runBuild(
  request: BuildRequest,
  around: Surroundings,
  emit: (event: BuildEvent) => void,
): Promise<BuildReport> {
  const signal = request.signal ?? new AbortController().signal;
  if (signal.aborted) throw cancelled(signal.reason);
  checkFetches(request.narFetches);
  // What is no installable is said also where no Nix answers.
  parseInstallables(request);
  const destination = request.target && (await seekDestination(request.target, around.env));
  const ledger = createLedger();
  let store: Store | undefined;
  const trust = () => store?.trust;
  const ahead = destination && new ConnectionAhead({ request, around, signal, destination, trust });
  try {
    store = await around.openStore(signal);
    return await liveIn(store, { request, around, emit, signal, destination, ahead, ledger });
  } catch (error) {
    if (signal.aborted && !saysMore(error)) throw cancelled(signal.reason);
    const { toFailure } = await import("../errors.ts");
    throw toFailure(error, "building");
  } finally {
    ahead?.drop();
    store?.close();
  }
}

/** Whatever a cancel happened to interrupt is no news; how the build ended there, and what is left to fetch, is. */
function saysMore(error: unknown): boolean {
  return error instanceof BuildFailure || (error instanceof Failure && error.reason === "fetch-interrupted");
}

function checkFetches(count: number | undefined): void {
  if (count === undefined || (Number.isInteger(count) && count >= 1)) return;
  throw new Failure("usage", "this machine", `${count} streams for outputs are not possible: 1 or more`);
}

async function liveIn(store: Store, life: Life): Promise<BuildReport> {
  const { request, around, emit, signal, ahead, ledger } = life;
  const onWarning = (text: string) => emit({ kind: "warning", text });
  const goal = await ledger.time("evaluate", () => findGoal(store, request, { run: around.runNix, onWarning, signal }));
  const cwd = request.cwd ?? process.cwd();
  const links = request.outLink === undefined ? [] : resultLinks(goal.requested, request.outLink, cwd);
  for (const link of links) await checkLink(link);
  const upToDate = goal.targets.length === 0;
  const milliseconds = ledger.report({ ...NOTHING, installable: "", derivations: [] }).evaluateMilliseconds;
  emit({ kind: "evaluated", derivations: goal.requested, upToDate, milliseconds });
  if (!upToDate) await ahead?.askSettings();
  const report = upToDate
    ? ledger.report({ ...NOTHING, installable: describeInstallables(request), derivations: goal.requested })
    : await (await import("./with-builder.ts")).buildRemotely(store, goal, life);
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
