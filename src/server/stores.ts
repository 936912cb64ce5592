import { once } from "../lib/once.ts";
import { Permits } from "../lib/permits.ts";
import type { OpenStore, Store } from "../nix/store.ts";
import { Shares } from "./shares.ts";

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
