/** Wakes those who wait for a change. A waiter looks at what it waits for, and then waits without an `await` between: so no change is missed. */
export class Notice {
  readonly #waiting = new Set<() => void>();

  /** Something changed. */
  ring(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Resolves with true at the next ring, with false after so many milliseconds. Throws the signal's reason. */
  wait(milliseconds: number | undefined, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const settle = (end: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        this.#waiting.delete(wake);
        end();
      };
      const wake = () => settle(() => resolve(true));
      const abort = () => settle(() => reject(signal.reason));
      const timer =
        milliseconds === undefined ? undefined : setTimeout(() => settle(() => resolve(false)), milliseconds);
      timer?.unref();
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(wake);
    });
  }
}
