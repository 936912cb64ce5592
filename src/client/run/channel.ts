/** Hands events from one writer to one reader, who may be slow or absent: the writer never waits. */
export interface Channel<T> extends AsyncIterable<T> {
  push(item: T): void;
  /** Ends the iteration once everything was taken. */
  end(): void;
}

/** How many droppable items may wait. */
export interface ChannelOptions<T> {
  readonly limit: number;
  /** Whether an item may be left out when the reader is too slow. */
  readonly droppable: (item: T) => boolean;
  /** What tells the reader how many were left out. */
  readonly gap: (count: number) => T;
}

/** Makes a {@link Channel}. */
export function createChannel<T>({ limit, droppable, gap }: ChannelOptions<T>): Channel<T> {
  let waiting: T[] = [];
  let dropped = 0;
  let ended = false;
  let wake: (() => void) | undefined;

  const push = (item: T) => {
    if (ended) return;
    if (waiting.length >= limit && droppable(item)) {
      dropped++;
      return;
    }
    if (dropped > 0) waiting.push(gap(dropped));
    dropped = 0;
    waiting.push(item);
    wake?.();
  };
  const end = () => {
    if (dropped > 0) waiting.push(gap(dropped));
    dropped = 0;
    ended = true;
    wake?.();
  };
  async function* read() {
    for (;;) {
      const batch = waiting;
      waiting = [];
      yield* batch;
      if (waiting.length > 0) continue;
      if (ended) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  }
  return { push, end, [Symbol.asyncIterator]: read };
}
