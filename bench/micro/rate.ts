import { median } from "../report/ratios.ts";

/** Something to do over and over: gives how much it did, in the part's unit. */
export type Work = () => number | Promise<number>;

/** A part of the program, beside what nothing that does the same could be faster than. */
export interface Part {
  readonly name: string;
  /** What is counted; of `MB` a million bytes. */
  readonly unit: string;
  readonly ours: Work;
  readonly limit: Work;
  /** What the limit is. */
  readonly limitName: string;
}

/** What came out. */
export interface Rates {
  readonly ours: number;
  readonly limit: number;
  /** The median of the ratios of slices that ran one after the other. */
  readonly ratio: number;
}

const SLICES = 7;
/** Milliseconds of one slice. */
const SLICE_MS = 60;

/** Both by turns in short slices, so that what else the machine does falls on both alike. */
export async function measurePart({ ours, limit }: Part): Promise<Rates> {
  // Once unmeasured: the compiler is not what is measured.
  await slice(ours);
  await slice(limit);
  const pairs: (readonly [number, number])[] = [];
  for (let n = 0; n < SLICES; n++) pairs.push([await slice(ours), await slice(limit)]);
  const middle = (pick: (pair: readonly [number, number]) => number) => median(pairs.map(pick)) ?? 0;
  return { ours: middle(([a]) => a), limit: middle(([, b]) => b), ratio: middle(([a, b]) => a / b) };
}

/** How much a second. */
async function slice(work: Work): Promise<number> {
  const begun = performance.now();
  let done = 0;
  while (performance.now() - begun < SLICE_MS) done += await work();
  return done / ((performance.now() - begun) / 1000);
}
