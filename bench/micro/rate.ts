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

/** How much a second: by the clock, and of CPU time, which a busy machine changes less. */
export interface Rate {
  readonly clock: number;
  readonly cpu: number;
}

/** What came out: medians, also of the ratios of slices that ran one after the other. */
export interface Rates {
  readonly ours: Rate;
  readonly limit: Rate;
  readonly ratio: Rate;
}

const SLICES = 7;
/** Milliseconds of one slice. */
const SLICE_MS = 60;

/** Both by turns in short slices, so that what else the machine does falls on both alike. */
export async function measurePart({ ours, limit }: Part): Promise<Rates> {
  // Once unmeasured: the compiler is not what is measured.
  await slice(ours);
  await slice(limit);
  const pairs: { readonly ours: Rate; readonly limit: Rate }[] = [];
  for (let n = 0; n < SLICES; n++) pairs.push({ ours: await slice(ours), limit: await slice(limit) });
  const middle = (pick: (of: keyof Rate) => readonly number[]): Rate => ({
    clock: median(pick("clock")) ?? 0,
    cpu: median(pick("cpu")) ?? 0,
  });
  return {
    ours: middle(of => pairs.map(pair => pair.ours[of])),
    limit: middle(of => pairs.map(pair => pair.limit[of])),
    ratio: middle(of => pairs.map(pair => pair.ours[of] / pair.limit[of])),
  };
}

async function slice(work: Work): Promise<Rate> {
  const begun = performance.now();
  const cpu = process.cpuUsage();
  let done = 0;
  while (performance.now() - begun < SLICE_MS) done += await work();
  const { user, system } = process.cpuUsage(cpu);
  return { clock: done / ((performance.now() - begun) / 1000), cpu: done / ((user + system) / 1e6) };
}
