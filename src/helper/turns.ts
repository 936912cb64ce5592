/** How many imports run, and wait. */
export interface TurnLimits {
  readonly atOnce: number;
  /** Of one user: the others' place is never taken. */
  readonly ofOne: number;
  /** That one user may have waiting. */
  readonly waitingOfOne: number;
}

/** One user has too many that wait. */
export class TooManyWait extends Error {
  override name = "TooManyWait";
}

interface Waiting {
  readonly whose: string;
  readonly go: () => void;
}

/** Turns for imports, fair between users: whoever has fewest running is next, and nobody takes all. */
export class Turns {
  readonly #limits: TurnLimits;
  readonly #running = new Map<string, number>();
  readonly #waiting: Waiting[] = [];

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  /** Waits for a turn; resolves with what ends it. Throws the signal's reason, or {@link TooManyWait}. */
  async take(whose: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const { waitingOfOne } = this.#limits;
    const turn = Promise.withResolvers<void>();
    const waiting = { whose, go: turn.resolve };
    this.#waiting.push(waiting);
    this.#next();
    if (this.#waiting.filter(other => other.whose === whose).length > waitingOfOne) {
      this.#leave(waiting);
      throw new TooManyWait(`${waitingOfOne} imports of this user wait already`);
    }
    const giveUp = () => {
      if (this.#leave(waiting)) turn.reject(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    await turn.promise.finally(() => signal.removeEventListener("abort", giveUp));
    return () => {
      this.#count(whose, -1);
      this.#next();
    };
  }

  #leave(waiting: Waiting): boolean {
    const at = this.#waiting.indexOf(waiting);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  #next(): void {
    const { atOnce, ofOne } = this.#limits;
    for (;;) {
      const running = [...this.#running.values()].reduce((sum, count) => sum + count, 0);
      const may = this.#waiting.filter(({ whose }) => this.#of(whose) < ofOne);
      const [first] = may.toSorted((a, b) => this.#of(a.whose) - this.#of(b.whose));
      if (running >= atOnce || first === undefined) return;
      this.#leave(first);
      this.#count(first.whose, 1);
      first.go();
    }
  }

  #of(whose: string): number {
    return this.#running.get(whose) ?? 0;
  }

  #count(whose: string, by: 1 | -1): void {
    const count = this.#of(whose) + by;
    if (count > 0) this.#running.set(whose, count);
    else this.#running.delete(whose);
  }
}
