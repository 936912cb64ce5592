/** One at a time, in the order of asking. */
export class Turns {
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #taken = false;
  #ended: { readonly error: Error } | undefined;

  /** Waits for all who asked before; the caller calls what it gets when it is done. Throws once there are no more turns. */
  async take(): Promise<() => void> {
    if (this.#taken && !this.#ended) {
      const turn = Promise.withResolvers<void>();
      this.#waiting.push(turn);
      await turn.promise;
    }
    if (this.#ended) throw this.#ended.error;
    this.#taken = true;
    return () => this.#next();
  }

  /** No more turns: who waits need not wait for one who was given a turn and forgot it. */
  end(error: Error): void {
    this.#ended ??= { error };
    for (const turn of this.#waiting.splice(0)) turn.reject(error);
  }

  #next(): void {
    const turn = this.#waiting.shift();
    // It stays taken in between: nobody may slip in before the one who is woken.
    if (turn) turn.resolve();
    else this.#taken = false;
  }
}
