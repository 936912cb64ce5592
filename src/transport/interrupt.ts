/**
 * Ends a wait from outside. Unlike `Promise.race` with a long-lived promise it keeps nothing per wait, so a stream of any length can use
 * one. One wait at a time.
 */
export class Interrupt {
  #tripped: { readonly error: unknown } | undefined;
  #reject: ((error: unknown) => void) | undefined;

  /** Ends the wait under way, and every later one, with this error. Only the first time counts. */
  trip(error: unknown): void {
    if (this.#tripped !== undefined) return;
    this.#tripped = { error };
    this.#reject?.(error);
  }

  /** Waits for the promise or the interruption, whichever is first. The promise's own rejection is never left unhandled. */
  wait<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject;
      promise.then(resolve, reject);
      if (this.#tripped !== undefined) reject(this.#tripped.error);
    });
  }
}
