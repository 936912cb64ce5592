import { Failure } from "../../lib/failure.ts";
import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { PlannedDerivation } from "../report.ts";
import type { Evaluation } from "../request.ts";
import { type Evaluated, type EvaluateOptions, evaluate } from "./evaluate.ts";

/** A derivation to be built elsewhere. */
export interface PlanTarget {
  readonly drv: StorePath;
  readonly outputs: ReadonlyMap<string, StorePath>;
}

/** What was asked for, as it stands in this store. */
export interface Goal {
  /** In the order asked, doubles kept. */
  readonly requested: readonly PlannedDerivation[];
  /** What is not valid here, each derivation once; empty: nothing is to be done. */
  readonly targets: readonly PlanTarget[];
}

/** Evaluates, and keeps what came of it from the garbage collector as long as the store is open. */
export async function findGoal(
  store: Store,
  request: Evaluation & { readonly rebuild?: boolean | undefined },
  options: Omit<EvaluateOptions, "outputPaths">,
): Promise<Goal> {
  const items = await evaluate(request, { ...options, outputPaths: drvs => store.outputPaths(drvs) });
  const wanted = items.flatMap(item => (item.kind === "path" ? [item.path] : [item.drv, ...item.outputs.values()]));
  await store.addTempRoots([...new Set(wanted)]);
  const valid = await store.validPaths([...new Set(wanted)]);
  for (const item of items) refusePlainPath(item, valid, request.rebuild);
  const lacking = mergeTargets(items).filter(
    target => request.rebuild || [...target.outputs.values()].some(path => !valid.has(path)),
  );
  if (lacking.length > MAX_TARGETS) throw tooMany(lacking.length);
  return { requested: items.map(planned), targets: lacking };
}

/** Most derivations that a builder takes as one build. */
const MAX_TARGETS = 1024;

function tooMany(count: number): Failure {
  return new Failure(
    "usage",
    "this machine",
    `${count} derivations are too many for one build: at most ${MAX_TARGETS}`,
    {
      fix: "build them in several commands, or make one derivation that depends on all of them",
    },
  );
}

function refusePlainPath(item: Evaluated, valid: ReadonlySet<StorePath>, rebuild: boolean | undefined): void {
  if (item.kind !== "path" || (valid.has(item.path) && !rebuild)) return;
  const what = valid.has(item.path) ? "cannot be built again" : "is not in the store";
  throw new Failure("failed", "this machine", `${item.path} ${what}: it is a store path, not a derivation`, {
    reason: "not-a-derivation",
    fix: "give the derivation instead, such as '/nix/store/….drv^*'",
  });
}

function planned(item: Evaluated): PlannedDerivation {
  if (item.kind === "path") return { drvPath: "", outputs: { out: item.path } };
  return { drvPath: item.drv, outputs: Object.fromEntries(item.outputs) };
}

/** Each derivation once, with all outputs that were asked of it. */
function mergeTargets(items: readonly Evaluated[]): PlanTarget[] {
  const merged = new Map<StorePath, Map<string, StorePath>>();
  for (const item of items) {
    if (item.kind === "path") continue;
    const outputs = merged.get(item.drv) ?? new Map<string, StorePath>();
    for (const [name, path] of item.outputs) outputs.set(name, path);
    merged.set(item.drv, outputs);
  }
  return [...merged].map(([drv, outputs]) => ({ drv, outputs }));
}
