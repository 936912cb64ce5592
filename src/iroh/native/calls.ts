import type { Addon, AddonHub, AddonNews, AddonProblem } from "./addon.ts";

/** A call that the addon could not do. */
export class AddonError extends Error {
  override name = "AddonError";
  readonly kind: string;
  readonly code: number;

  constructor({ kind, code }: AddonProblem) {
    super(code === 0 ? kind : `${kind} ${code}`);
    this.kind = kind;
    this.code = code;
  }
}

/** A call under way. */
interface Waiting {
  resolve(value: unknown): void;
  reject(error: AddonError): void;
}

/** The addon's calls of this thread: each has a number, under which its answer comes back. */
export class Calls {
  readonly hub: AddonHub;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<number, (news: unknown) => void>();
  #last = 0;

  constructor(addon: Addon) {
    this.hub = new addon.Hub(news => this.#hear(news));
    // A process that just exits never says goodbye, and its peers would wait for it.
    process.on("exit", () => this.hub.goodbye());
  }

  /**
   * Starts a call with a fresh number. What it comes to is what the addon's own words for that call say; one whose start answers true, or
   * with what it comes to, is done with that.
   */
  call<T>(start: (call: number) => unknown): Promise<T> {
    const number = this.#number();
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(number, { resolve: value => resolve(value as T), reject });
      const now = start(number) ?? false;
      if (now === false) return;
      this.#waiting.delete(number);
      resolve((now === true ? undefined : now) as T);
    });
  }

  /** The same for a call that can be given up: then it ends as `cancelled`. */
  abortable<T>(start: (call: number) => void): { readonly done: Promise<T>; abort(): void } {
    let number = 0;
    const done = this.call<T>(call => {
      number = call;
      start(call);
    });
    return { done, abort: () => this.hub.abort(number) };
  }

  /** Hears news under a number of its own, until the function that is returned is called. */
  listen<T>(start: (call: number) => void, hear: (news: T) => void): () => void {
    const number = this.#number();
    this.#listeners.set(number, news => hear(news as T));
    start(number);
    return () => this.#listeners.delete(number);
  }

  #number(): number {
    // Numbers come round after four thousand million calls, and pass over those still in use.
    do this.#last = (this.#last + 1) >>> 0;
    while (this.#waiting.has(this.#last) || this.#listeners.has(this.#last));
    return this.#last;
  }

  #hear(news: AddonNews): void {
    for (let at = 0; at < news.length; at += 3) {
      const number = news[at] as number;
      const value = news[at + 2];
      const waiting = this.#waiting.get(number);
      if (waiting === undefined) this.#listeners.get(number)?.(value);
      else {
        this.#waiting.delete(number);
        if (news[at + 1] === true) waiting.resolve(value);
        else waiting.reject(new AddonError(value as AddonProblem));
      }
    }
  }
}
