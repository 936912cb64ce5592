/** Lets so many work at once; the others wait for their turn. */
export interface Slots {
  /** Runs `work` once there is room. Throws the signal's reason where it fires before. */
  use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** Makes {@link Slots}. */
export function createSlots(count: number): Slots {
  let free = count;
  const waiting = new Set<() => void>();
  const take = async (signal: AbortSignal) => {
    while (free === 0) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      waiting.delete(resolve);
    }
    signal.throwIfAborted();
    free--;
  };
  return {
    use: async (signal, work) => {
      await take(signal);
      try {
        return await work();
      } finally {
        free++;
        const [next] = waiting;
        next?.();
      }
    },
  };
}
