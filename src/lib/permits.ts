import { once } from "./once.ts";

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
