import { END_STREAM, ENVELOPE } from "./envelope.ts";
import { type Split, type Splitter, total } from "./large-fields.ts";

/**
 * Connect copies what it sends three times, into memory that is new each time. Here large fields of a call's messages stay beside them and are put behind them when
 * they come out of Connect: the same bytes on the wire, uncopied.
 */
export class Beside {
  readonly #waiting: Split["behind"][] = [];

  /** Takes the large fields out of messages on their way to Connect. They must not change before the next message is asked for. */
  split<T extends object>(messages: AsyncIterable<T>, splitter: Splitter): AsyncIterable<T> {
    return mapped(messages, message => {
      const { rest, behind } = splitter(message);
      this.#waiting.push(behind);
      return rest as T;
    });
  }

  /** Puts them behind what comes out of it: first what was encoded, with an envelope that says the length of all, then piece by piece. */
  joined(envelopes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    let pieces: Uint8Array[] = [];
    const join = (envelope: Uint8Array) => {
      const [flags = 0] = envelope;
      const behind = (flags & END_STREAM) === 0 ? this.#waiting.shift() : undefined;
      const [head] = behind ?? [];
      if (behind === undefined || head === undefined) return envelope;
      pieces = behind.slice(1);
      const start = new Uint8Array(envelope.length + head.length);
      start.set(envelope);
      start.set(head, envelope.length);
      new DataView(start.buffer).setUint32(1, envelope.length - ENVELOPE + total(behind));
      return start;
    };
    return mapped(envelopes, join, () => pieces.shift());
  }
}

/** The same with each value changed; `before` may have one that comes before the source is asked. What else is said to it reaches the source. */
function mapped<T>(source: AsyncIterable<T>, change: (value: T) => T, before?: () => T | undefined): AsyncIterable<T> {
  const from = source[Symbol.asyncIterator]();
  const changed = (result: IteratorResult<T>): IteratorResult<T> =>
    result.done ? result : { done: false, value: change(result.value) };
  const all: AsyncIterableIterator<T> = {
    [Symbol.asyncIterator]: () => all,
    next: async () => {
      const value = before?.();
      return value === undefined ? changed(await from.next()) : { done: false, value };
    },
    return: async () => (await from.return?.()) ?? { done: true, value: undefined },
    throw: async error => {
      if (from.throw === undefined) throw error;
      return await from.throw(error);
    },
  };
  return all;
}
