import { PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";

/** Bytes that may come together before V8 looks through everything it holds for what of it is garbage. */
const ROOM = 40 * 1024 * 1024;
/** Percent of the heap below which V8 leaves as much room by itself. */
const OWN = 30;

/**
 * Lets V8 wait for {@link ROOM} between two full collections. With a heap as small as that of a transfer's ends it begins one for every 12 MiB of bytes, such as
 * pieces of a NAR, which takes a third of a transfer's CPU time. Nearly all of them are garbage by then, and collections of the young find it.
 */
export function spaceFullCollections(): void {
  const look = () => setFlagsFromString(`--heap-growing-percent=${growingPercent(getHeapStatistics().used_heap_size)}`);
  look();
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
}

/** By how many percent a heap of so many bytes may grow before the next full collection; 0: as V8 has it. */
export function growingPercent(heapBytes: number): number {
  const percent = Math.floor((ROOM / heapBytes) * 100);
  return percent < OWN ? 0 : percent;
}
