import type { BuildId } from "../../lib/ids.ts";
import type { Owner } from "../../tickets/use.ts";

/** Builds that are being opened. Two calls that open the same id come one after the other. */
export class Openings {
  readonly #going = new Map<BuildId, Promise<unknown>>();
  readonly #admitted = new Map<BuildId, Owner>();

  /** Does the work when those are done that came before for the same id. */
  async take<T>(build: BuildId, work: () => Promise<T>): Promise<T> {
    const mine = Promise.resolve(this.#going.get(build)).then(work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#going.set(build, settled);
    try {
      return await mine;
    } finally {
      this.#admitted.delete(build);
      if (this.#going.get(build) === settled) this.#going.delete(build);
    }
  }

  /** There was room for this one: it takes it from now on, until it is opened or has failed. */
  admit(build: BuildId, owner: Owner): void {
    this.#admitted.set(build, owner);
  }

  /** Whose those are that were admitted. */
  get owners(): Owner[] {
    return [...this.#admitted.values()];
  }
}
