import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Contestant, Measured } from "../peers/peer.ts";
import type { Machine } from "./machine.ts";

/** Where what was measured is kept, out of version control. */
export const RESULTS = join(import.meta.dirname, "../results");

/** The runs of one workload. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** In the order of the runs; `undefined` where one failed. */
  readonly runs: Readonly<Partial<Record<Contestant, readonly (Measured | undefined)[]>>>;
  /** What went wrong, by contestant. */
  readonly failures: readonly string[];
}

/** All that was measured. */
export interface Results {
  readonly machine: Machine;
  /** Who could not take part, and why. */
  readonly absent: Readonly<Partial<Record<Contestant, string>>>;
  readonly rows: readonly Row[];
}

/** Keeps the results so far, so that nothing is lost when the bench is ended. */
export function keepResults(results: Results): void {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, "latest.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(results, undefined, 1)}\n`);
  renameSync(`${file}.new`, file);
}

/** A failure in the line of it that says why, with who failed where that stands before it. */
export function inOneLine(failure: string): string {
  const lines = failure.split("\n");
  const why = lines.find(line => /^error\b/.test(line));
  const [who] = /^[\w-]+: /.exec(failure) ?? [""];
  return why === undefined ? (lines[0] ?? "") : `${who}${why}`;
}
