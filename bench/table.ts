import type { Measured } from "./measure.ts";
import type { Workload } from "./workloads.ts";

/** The runs of one workload. */
export interface Row {
  readonly workload: Workload;
  readonly ours: readonly Measured[];
  readonly peer: readonly Measured[];
}

/** A Markdown table: medians, the ratio of our time to the peer's in the same run, and the highest memory. */
export function table(rows: readonly Row[]): string {
  const head = [
    "| workload | drv-thru, s | ssh-ng, s | ratio | client peak, MiB | builder peak, MiB |",
    "|---|---|---|---|---|---|",
  ];
  return [...head, ...rows.map(line)].join("\n");
}

function line({ workload, ours, peer }: Row): string {
  const ratios = ours.flatMap((run, i) => (peer[i] ? [run.seconds / peer[i].seconds] : []));
  const cells = [
    `${workload.id}: ${workload.title}`,
    show(median(ours.map(run => run.seconds)), 2),
    show(median(peer.map(run => run.seconds)), 2),
    show(median(ratios), 2),
    show(highest(ours.map(run => run.clientMiB)), 0),
    show(highest(ours.map(run => run.builderMiB)), 0),
  ];
  return `| ${cells.join(" | ")} |`;
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle];
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

function highest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function show(value: number | undefined, digits: number): string {
  return value === undefined ? "–" : value.toFixed(digits);
}
