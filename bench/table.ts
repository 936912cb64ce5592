import type { Contestant, Measured, Needed } from "./measure.ts";

/** The runs of one workload. */
export interface Row {
  readonly title: string;
  readonly runs: Readonly<Record<Contestant, readonly Measured[]>>;
}

/**
 * A Markdown table: medians of the times, of the ratio of ours to the peer's in the same run, and of that ratio without what the same work takes
 * locally; the highest memory, and the median of CPU seconds, of our processes.
 */
export function table(rows: readonly Row[]): string {
  const head = ["workload", "local, s", "drv-thru, s", "ssh-ng, s", "ratio", "beyond local"];
  const needs = ["client, MiB", "client, CPU s", "builder, MiB", "builder, CPU s"];
  const cells = [...head, ...needs];
  return [cells, cells.map(() => "---"), ...rows.map(line)].map(cells => `| ${cells.join(" | ")} |`).join("\n");
}

function line({ title, runs }: Row): string[] {
  const { "drv-thru": ours, "ssh-ng": peer, local } = runs;
  const ratios = ours.flatMap((run, i) => (peer[i] ? [run.seconds / peer[i].seconds] : []));
  const beyond = ours.flatMap((run, i) => beyondLocal(run, peer[i], local[i]) ?? []);
  const needs = (which: "client" | "builder") => {
    const known = ours.flatMap(run => run[which] ?? []);
    return [show(highest(known), 0), show(median(known.map(need => need.cpuSeconds)), 1)];
  };
  const times = [local, ours, peer].map(runs => show(median(runs.map(run => run.seconds)), 2));
  return [title, ...times, show(median(ratios), 2), show(median(beyond), 2), ...needs("client"), ...needs("builder")];
}

/** Of times that hardly differ from the local one a ratio would say nothing. */
function beyondLocal(ours: Measured, peer: Measured | undefined, local: Measured | undefined): number | undefined {
  if (peer === undefined || local === undefined || peer.seconds < local.seconds + 0.05) return undefined;
  return Math.max(0, ours.seconds - local.seconds) / (peer.seconds - local.seconds);
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle];
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

function highest(needed: readonly Needed[]): number | undefined {
  return needed.length === 0 ? undefined : Math.max(...needed.map(need => need.mib));
}

function show(value: number | undefined, digits: number): string {
  return value === undefined ? "–" : value.toFixed(digits);
}
