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

/** Permits for each of many: whoever takes all of their own holds up nobody else. */
class Shares {
  readonly #count: number;
  readonly #used = new Map<string, { readonly permits: Permits; users: number }>();

  constructor(count: number) {
    this.#count = count;
  }

  async acquire(whose: string, signal: AbortSignal): Promise<() => void> {
    const share = this.#used.get(whose) ?? { permits: new Permits(this.#count), users: 0 };
    this.#used.set(whose, share);
    share.users += 1;
    const leave = once(() => {
      share.users -= 1;
      if (share.users === 0) this.#used.delete(whose);
    });
    try {
      const release = await share.permits.acquire(signal);
      return () => {
        release();
        leave();
      };
    } catch (error) {
      leave();
      throw error;
    }
  }
}

/** Conversations with the daemon, never more than a number at once. Each is closed after its use, and with it what it protected from collection. */
export class Stores {
  readonly #open: OpenStore;
  readonly #permits: Permits;
  readonly #shares: Shares;

  /** `countOfOne`: how many of them those for whom they are used may have at once. */
  constructor(open: OpenStore, count: number, countOfOne: number = count) {
    this.#open = open;
    this.#permits = new Permits(count);
    this.#shares = new Shares(countOfOne);
  }

  /** Uses a conversation of one's own. When the signal is aborted it is closed at once. `whose`: out of the share of those. */
  async use<T>(signal: AbortSignal, work: (store: Store) => Promise<T>, whose?: string): Promise<T> {
    const { store, done } = await this.#take(signal, whose);
    try {
      return await work(store);
    } finally {
      done();
    }
  }

  /** Likewise, for what comes piece by piece. */
  async *each<T>(
    signal: AbortSignal,
    work: (store: Store) => AsyncIterable<T>,
    whose?: string,
  ): AsyncGenerator<T, undefined> {
    const { store, done } = await this.#take(signal, whose);
    try {
      yield* work(store);
    } finally {
      done();
    }
  }

  async #take(signal: AbortSignal, whose: string | undefined): Promise<{ store: Store; done: () => void }> {
    const release = await this.#permit(signal, whose);
    let store: Store;
    try {
      store = await this.#open(signal);
    } catch (error) {
      release();
      throw error;
    }
    const close = () => store.close();
    const done = () => {
      signal.removeEventListener("abort", close);
      close();
      release();
    };
    signal.addEventListener("abort", close, { once: true });
    if (!signal.aborted) return { store, done };
    done();
    throw signal.reason;
  }

  async #permit(signal: AbortSignal, whose: string | undefined): Promise<() => void> {
    if (whose === undefined) return await this.#permits.acquire(signal);
    const leave = await this.#shares.acquire(whose, signal);
    try {
      const release = await this.#permits.acquire(signal);
      return once(() => {
        release();
        leave();
      });
    } catch (error) {
      leave();
      throw error;
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
