/** A source that can be left while it makes its next item wait: then it is as if it had ended. */
export class StoppableSource<T> {
  readonly #iterator: AsyncIterator<T>;
  #ended = false;
  #leave: (() => void) | undefined;

  constructor(source: AsyncIterable<T>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** The next item, or `undefined` at the end or once stopped. */
  async next(): Promise<T | undefined> {
    if (this.#ended) return undefined;
    // Not Promise.race: a promise that outlives many races keeps something of each.
    const left = Promise.withResolvers<T | undefined>();
    this.#leave = () => left.resolve(undefined);
    this.#iterator.next().then(({ done, value }) => left.resolve(done ? this.#finish() : value), left.reject);
    try {
      return await left.promise;
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }

  /** Leaves the source and lets it clean up. May be repeated. */
  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#leave?.();
    // Nobody waits any more: what a source says while it is left has no hearer.
    void Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }

  #finish(): undefined {
    this.#ended = true;
    return undefined;
  }
}
