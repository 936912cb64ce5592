/** Lets what comes within a short time come together: only the first after a quiet time does not wait. */
export class Gathering {
  readonly #time: number;
  #next = Number.NEGATIVE_INFINITY;
  #hurried = false;
  #go: (() => void) | undefined;

  /** `time`: in milliseconds. */
  constructor(time: number) {
    this.#time = time;
  }

  /** Waits until the time since the wait before is over, or somebody hurries. One at a time. */
  async wait(): Promise<void> {
    const left = this.#next - performance.now();
    if (left > 0 && !this.#hurried) await this.#pause(left);
    this.#hurried = false;
    this.#next = performance.now() + this.#time;
  }

  /** Ends the wait that goes on, or the next one at once. */
  hurry(): void {
    this.#hurried = true;
    this.#go?.();
  }

  async #pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#go = resolve;
    await promise;
    this.#go = undefined;
    clearTimeout(timer);
  }
}
