import { BARE } from "./bare.ts";
import { BIG } from "./big.ts";
import { CROWD } from "./crowd.ts";
import { FAR } from "./far.ts";
import { IDLE } from "./idle.ts";
import { SMALL } from "./small.ts";
import type { Workload } from "./workload.ts";

/** All of them, in the order of the tables. */
export const WORKLOADS: readonly Workload[] = [...SMALL, ...BIG, BARE, CROWD, ...FAR, IDLE];

/** Those of a name: the one of just that name, or all whose names go on from it. */
export function workloadsNamed(name: string): Workload[] {
  const exact = WORKLOADS.filter(({ id }) => id === name);
  const found = exact.length > 0 ? exact : WORKLOADS.filter(({ id }) => name !== "" && id.startsWith(name));
  if (found.length === 0) throw new Error(`no workload ${name}; there are ${WORKLOADS.map(w => w.id).join(", ")}`);
  return found;
}
