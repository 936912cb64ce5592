import type { OpenStore, Store } from "../nix/store.ts";

/** The one conversation that a build has from its first path to its result: what it names stays protected. One use at a time, in order. */
export class BuildStore {
  readonly #open: OpenStore;
  readonly #closed = new AbortController();
  #store: Promise<Store> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(open: OpenStore) {
    this.#open = open;
  }

  /** Uses it after those who came before. Throws once it is closed. */
  use<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      this.#closed.signal.throwIfAborted();
      this.#store ??= this.#open(this.#closed.signal);
      const store = await this.#store;
      this.#closed.signal.throwIfAborted();
      return await work(store);
    });
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** Ends the conversation at once: a build in it is cancelled. May be repeated. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new Error("the build has ended"));
    this.#store?.then(
      store => store.close(),
      () => undefined,
    );
  }
}
