import type { OpenStore, Store } from "../nix/store.ts";

/** A number of permits; whoever comes later waits in order. */
export class Permits {
  #free: number;
  readonly #waiting: { readonly grant: () => void }[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with the function that gives the permit back, once. Throws the signal's reason. */
  acquire(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
      };
      const grant = () => {
        signal.removeEventListener("abort", abort);
        resolve(once(() => this.#release()));
      };
      const waiter = { grant };
      signal.addEventListener("abort", abort, { once: true });
      if (this.#free > 0) {
        this.#free -= 1;
        grant();
      } else this.#waiting.push(waiter);
    });
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next) next.grant();
    else this.#free += 1;
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}

/** Conversations with the daemon, never more than a number at once. Each is closed after its use, and with it what it protected from collection. */
export class Stores {
  readonly #open: OpenStore;
  readonly #permits: Permits;

  constructor(open: OpenStore, count: number) {
    this.#open = open;
    this.#permits = new Permits(count);
  }

  /** Uses a conversation of one's own. When the signal is aborted it is closed at once. */
  async use<T>(signal: AbortSignal, work: (store: Store) => Promise<T>): Promise<T> {
    const release = await this.#permits.acquire(signal);
    try {
      const store = await this.#open(signal);
      const close = () => store.close();
      signal.addEventListener("abort", close, { once: true });
      try {
        signal.throwIfAborted();
        return await work(store);
      } finally {
        signal.removeEventListener("abort", close);
        store.close();
      }
    } finally {
      release();
    }
  }
}

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
