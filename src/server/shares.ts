import { once } from "../lib/once.ts";
import { Permits } from "../lib/permits.ts";

/** Permits for each of many: whoever takes all of their own holds up nobody else. */
export class Shares {
  readonly #count: number;
  readonly #used = new Map<string, { readonly permits: Permits; users: number }>();

  constructor(count: number) {
    this.#count = count;
  }

  async acquire(whose: string, signal: AbortSignal): Promise<() => void> {
    const share = this.#used.get(whose) ?? { permits: new Permits(this.#count), users: 0 };
    this.#used.set(whose, share);
    share.users += 1;
    const leave = once(() => {
      share.users -= 1;
      if (share.users === 0) this.#used.delete(whose);
    });
    try {
      const release = await share.permits.acquire(signal);
      return () => {
        release();
        leave();
      };
    } catch (error) {
      leave();
      throw error;
    }
  }
}
