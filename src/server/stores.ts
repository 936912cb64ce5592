import { once } from "../lib/once.ts";
import { Permits } from "../lib/permits.ts";
import type { OpenStore, Store } from "../nix/store.ts";

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

/** How conversations are shared. */
export interface StoresOptions {
  /** How many of them those for whom they are used may have at once. Default: all. */
  readonly ofOne?: number;
  /** How long a conversation waits for its next use, in milliseconds. Default: it is closed at once, and with it what it protected from collection. */
  readonly idleTime?: number;
}

/** Conversations with the daemon, never more than a number at once. */
export class Stores {
  readonly #open: OpenStore;
  readonly #permits: Permits;
  readonly #shares: Shares;
  readonly #idleTime: number;
  readonly #idle = new Map<Store, NodeJS.Timeout>();

  constructor(open: OpenStore, count: number, { ofOne = count, idleTime = 0 }: StoresOptions = {}) {
    this.#open = open;
    this.#permits = new Permits(count);
    this.#shares = new Shares(ofOne);
    this.#idleTime = idleTime;
  }

  /** Uses a conversation of one's own. When the signal is aborted it is closed at once. `whose`: out of the share of those. */
  async use<T>(signal: AbortSignal, work: (store: Store) => Promise<T>, whose?: string): Promise<T> {
    const { store, done } = await this.#take(signal, whose);
    let whole = false;
    try {
      const result = await work(store);
      whole = true;
      return result;
    } finally {
      done(whole);
    }
  }

  /** Likewise, for what comes piece by piece. */
  async *each<T>(
    signal: AbortSignal,
    work: (store: Store) => AsyncIterable<T>,
    whose?: string,
  ): AsyncGenerator<T, undefined> {
    const { store, done } = await this.#take(signal, whose);
    let whole = false;
    try {
      yield* work(store);
      whole = true;
    } finally {
      done(whole);
    }
  }

  async #take(
    signal: AbortSignal,
    whose: string | undefined,
  ): Promise<{ store: Store; done: (whole: boolean) => void }> {
    const release = await this.#permit(signal, whose);
    let store: Store;
    try {
      store = this.#waiting() ?? (await this.#open(signal));
    } catch (error) {
      release();
      throw error;
    }
    const close = () => store.close();
    const done = (whole: boolean) => {
      signal.removeEventListener("abort", close);
      if (whole && !signal.aborted && this.#idleTime > 0) this.#keep(store);
      else close();
      release();
    };
    signal.addEventListener("abort", close, { once: true });
    if (!signal.aborted) return { store, done };
    done(false);
    throw signal.reason;
  }

  /** A conversation that waits for its next use: a new one costs the daemon a process. */
  #waiting(): Store | undefined {
    const [next] = this.#idle;
    if (next === undefined) return undefined;
    const [store, timer] = next;
    clearTimeout(timer);
    this.#idle.delete(store);
    return store;
  }

  #keep(store: Store): void {
    const tooLong = () => {
      this.#idle.delete(store);
      store.close();
    };
    this.#idle.set(store, setTimeout(tooLong, this.#idleTime));
  }

  /** Closes those that wait. */
  close(): void {
    for (let store = this.#waiting(); store; store = this.#waiting()) store.close();
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
