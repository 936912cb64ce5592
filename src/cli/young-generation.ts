import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Bytes of the space in which V8 makes new objects, both halves together, from which on it does not grow. */
const ENOUGH = 8 * 1024 * 1024;

/**
 * Keeps the space in which V8 makes new objects mostly at 8 to 16 MiB; by itself it grows to 32 and more. Bytes in transfer are garbage as soon as they are passed on, and as
 * much of it lies around as that space (and the arrays outside of it, in proportion) may hold: so both ends of a transfer need 40 to 70 MiB less, an idle
 * builder 10, and no more CPU time. `node --max-semi-space-size=4` does the same, but a command cannot say that of itself. While it is
 * small the space may grow: to hold it at its first size would cost a start dozens of collections. To be called before bytes pass, for what has grown
 * does not soon shrink.
 */
export function boundYoungGeneration(): void {
  // The space also shrinks, when there is little to do: then it may grow again.
  const look = () => setFlagsFromString(`--semi-space-growth-factor=${youngBytes() < ENOUGH ? 2 : 1}`);
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
}

/** The size of the space for new objects, in bytes. */
function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")?.space_size ?? 0;
}
