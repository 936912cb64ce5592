/** Values handed from one task to another in order. Whoever sends waits while `capacity` of them lie there. One reader. */
export class Channel<T> {
  readonly #capacity: number;
  readonly #values: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #readable: (() => void) | undefined;
  #writable: (() => void)[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Whether the reader would wait. */
  get empty(): boolean {
    return this.#values.length === 0;
  }

  /** Resolves when there is room for more, or nobody reads any more. */
  async send(value: T): Promise<void> {
    if (this.#end !== undefined) return;
    this.#values.push(value);
    this.#wakeReader();
    while (this.#values.length >= this.#capacity && this.#end === undefined) {
      await new Promise<void>(resolve => this.#writable.push(resolve));
    }
  }

  /** No value comes any more. */
  end(): void {
    this.#finish({});
  }

  /** The reader throws this, without reading what still lies there. */
  fail(error: unknown): void {
    this.#values.length = 0;
    this.#finish({ error });
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    this.#wakeReader();
    this.#wakeWriters();
  }

  /** Waits until a value lies there: false at the end. */
  async ready(): Promise<boolean> {
    while (this.#values.length === 0) {
      if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return false;
      }
      await new Promise<void>(resolve => {
        this.#readable = resolve;
      });
    }
    return true;
  }

  /** All values that lie there, at most so many and at least one; `undefined` at the end. */
  async take(most: number): Promise<T[] | undefined> {
    if (!(await this.ready())) return undefined;
    const taken = this.#values.splice(0, most);
    this.#wakeWriters();
    return taken;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    // Not `yield*`: Node's streams throw into what they read, which an array's iterator does not take.
    for (let taken = await this.take(1); taken !== undefined; taken = await this.take(1)) {
      for (const value of taken) yield value;
    }
  }

  #wakeReader(): void {
    this.#readable?.();
    this.#readable = undefined;
  }

  #wakeWriters(): void {
    const waiting = this.#writable;
    this.#writable = [];
    for (const wake of waiting) wake();
  }
}
