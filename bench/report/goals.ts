import { WORKLOADS } from "../workloads/index.ts";
import type { Goal } from "../workloads/workload.ts";
import { goodRuns, medianOf, ratio, ratioBeyond } from "./ratios.ts";
import type { Row } from "./results.ts";
import { markdown, show } from "./table.ts";

/** Every goal of the workloads that ran, with its figure and whether it holds. */
export function goalsTable(rows: readonly Row[]): string | undefined {
  const lines = rows.flatMap(row => {
    const goals = WORKLOADS.find(({ id }) => id === row.id)?.goals ?? [];
    return goals.map(goal => [row.id, ...judged(row, goal)]);
  });
  return lines.length === 0 ? undefined : markdown([["", "goal", "figure", "holds"], ...lines]);
}

function judged(row: Row, goal: Goal): string[] {
  const [text, value, most] = figureOf(row, goal);
  return [text, show(value, 2), value === undefined ? "not measured" : value <= most ? "yes" : "no"];
}

function figureOf(row: Row, goal: Goal): [text: string, value: number | undefined, most: number] {
  if ("memoryMib" in goal) {
    const runs = goodRuns(row, "native").flatMap(({ client, builder }) => [client?.mib ?? 0, builder?.mib ?? 0]);
    const highest = runs.length === 0 ? undefined : Math.max(...runs);
    return [`both processes under ${goal.memoryMib} MiB`, highest, goal.memoryMib];
  }
  const { atMost } = goal;
  if ("figure" in goal) {
    const value = medianOf(row, "native", run => run.figures?.[goal.figure]);
    return [`${goal.figure}: at most ${show(atMost, 2)}`, value, atMost];
  }
  const { of = "native", against, beyond } = goal;
  const value = beyond ? ratioBeyond(row, of, against) : ratio(row, of, against);
  return [`${of} : ${against}${beyond ? ", beyond building" : ""}: at most ${show(atMost, 2)}`, value, atMost];
}
