import type { PathInfo } from "../../nix/path-info.ts";
import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { type DerivationSummary, readDerivations } from "./derivations.ts";
import type { PlanTarget } from "./goal.ts";
import { refuseUnprovenInputs } from "./refuse.ts";

/** Everything a build has to send and may get back. */
export interface Plan {
  readonly targets: readonly PlanTarget[];
  /** The targets' closure of derivations and sources, references first. */
  readonly inputs: readonly PathInfo[];
  readonly derivations: ReadonlyMap<StorePath, DerivationSummary>;
  /** Every path that may come back: the outputs of all these derivations, and the inputs. */
  readonly expected: ReadonlySet<StorePath>;
}

/** Reads what the targets need. Refuses, naming the path, what no builder could build. */
export async function makePlan(store: Store, targets: readonly PlanTarget[]): Promise<Plan> {
  const inputs = await store.closure(targets.map(target => target.drv));
  refuseUnprovenInputs(inputs);
  const derivations = await readDerivations(store, inputs);
  const outputs = [...derivations.values()].flatMap(item => [...item.outputs.values()]);
  return { targets, inputs, derivations, expected: new Set([...outputs, ...inputs.map(info => info.path)]) };
}
