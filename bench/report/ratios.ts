import type { Contestant, Measured } from "../peers/peer.ts";
import type { Row } from "./results.ts";

/** Below this many seconds beyond `local` a peer's time says nothing. */
const NOISE = 0.05;

/** The middle of some values, or `undefined` if there are none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle];
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/** The runs of a contestant that went well. */
export function goodRuns({ runs }: Row, who: Contestant): Measured[] {
  return (runs[who] ?? []).filter(run => run !== undefined);
}

/** The median of something over a contestant's runs. */
export function medianOf(row: Row, who: Contestant, pick: (run: Measured) => number | undefined): number | undefined {
  return median(goodRuns(row, who).flatMap(run => pick(run) ?? []));
}

/** The median of the ratios of what two contestants needed in the same run, of the time where nothing else is said. */
export function ratio(row: Row, who: Contestant, against: Contestant, pick = secondsOf): number | undefined {
  const ratios = pairs(row, who, against).map(([ours, theirs]) => pick(ours) / pick(theirs));
  return median(ratios.filter(Number.isFinite));
}

/** The same without what the same work took locally in that run. */
export function ratioBeyond(row: Row, who: Contestant, against: Contestant): number | undefined {
  const local = row.runs.local ?? [];
  return median(
    pairs(row, who, against).flatMap(([ours, theirs, run]) => {
      const base = local[run]?.seconds;
      if (base === undefined || theirs.seconds < base + NOISE) return [];
      return [Math.max(0, ours.seconds - base) / (theirs.seconds - base)];
    }),
  );
}

/** MB a second that passed the network in the time beyond the local one: the median. */
export function wireRate(row: Row, who: Contestant): number | undefined {
  const rates = pairs(row, who, "local").flatMap(([run, local]) => {
    const beyond = run.seconds - local.seconds;
    return beyond < NOISE || run.wireMib < 1 ? [] : [(run.wireMib * 1.048576) / beyond];
  });
  return median(rates);
}

function pairs({ runs }: Row, who: Contestant, against: Contestant): [Measured, Measured, number][] {
  return (runs[who] ?? []).flatMap((ours, run): [Measured, Measured, number][] => {
    const theirs = runs[against]?.[run];
    return ours && theirs ? [[ours, theirs, run]] : [];
  });
}

function secondsOf(run: Measured): number {
  return run.seconds;
}
