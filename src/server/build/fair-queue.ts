/** What waits for a slot, and for whom: one credential after the other, and within one credential one client after the other. */
export interface Waiting {
  readonly credential: string;
  readonly client: string;
}

/** A queue that is fair between credentials: ten builds of one ticket do not hold up the first of another. */
export class FairQueue<T extends Waiting> {
  readonly #waiting: T[] = [];
  readonly #served = new Map<string, number>();
  #turn = 0;

  get size(): number {
    return this.#waiting.length;
  }

  add(item: T): void {
    this.#waiting.push(item);
  }

  /** False if it does not wait. */
  remove(item: T): boolean {
    const at = this.#waiting.indexOf(item);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  /** Those that wait, in the order in which they will be taken if no other comes. */
  order(): T[] {
    const byCredential = this.#turns(this.#waiting, item => item.credential);
    return interleave(byCredential.map(items => interleave(this.#turns(items, clientOf))));
  }

  /** The next one, which waits no longer. */
  take(): T | undefined {
    const [next] = this.order();
    if (next === undefined) return undefined;
    this.remove(next);
    this.#turn += 1;
    this.#served.set(next.credential, this.#turn);
    this.#served.set(clientOf(next), this.#turn);
    this.#forget();
    return next;
  }

  #turns(items: readonly T[], keyOf: (item: T) => string): T[][] {
    const groups = [...Map.groupBy(items, keyOf)];
    return groups
      .sort(([one], [other]) => (this.#served.get(one) ?? 0) - (this.#served.get(other) ?? 0))
      .map(([, group]) => group);
  }

  /** Who has nothing in the queue has had no turn to wait for; so the map stays as small as the queue. */
  #forget(): void {
    if (this.#served.size <= 2 * this.#waiting.length + 64) return;
    const present = new Set(this.#waiting.flatMap(item => [item.credential, clientOf(item)]));
    for (const key of this.#served.keys()) if (!present.has(key)) this.#served.delete(key);
  }
}

function clientOf(item: Waiting): string {
  return `${item.credential} ${item.client}`;
}

/** The first of each, then the second of each, and so on. */
function interleave<T>(groups: readonly (readonly T[])[]): T[] {
  const rounds = Math.max(0, ...groups.map(group => group.length));
  return Array.from({ length: rounds }, (_, round) => groups.flatMap(group => group.slice(round, round + 1))).flat();
}
