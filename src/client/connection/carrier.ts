import type { Failure } from "../../lib/failure.ts";
import { isLost, toFailure } from "../errors.ts";
import type { Services } from "./services.ts";

/** The connection of the moment, for work that outlives connections: whoever finds one broken waits here for the next. */
export class Carrier {
  #services: Services | undefined;
  #next = Promise.withResolvers<void>();
  #broken = Promise.withResolvers<never>();

  /** There is a new connection. What this gives rejects once somebody has found it broken. */
  take(services: Services): Promise<never> {
    this.#services = services;
    this.#broken = Promise.withResolvers<never>();
    // Nobody need be waiting for it.
    this.#broken.promise.catch(() => undefined);
    this.#next.resolve();
    return this.#broken.promise;
  }

  /** That connection is broken. A later one stays. */
  lose(services: Services, failure: Failure): void {
    if (this.#services !== services) return;
    this.#services = undefined;
    this.#next = Promise.withResolvers<void>();
    this.#broken.reject(failure);
  }

  /** The services of the connection; waits while there is none. Throws the signal's reason. */
  async services(signal: AbortSignal): Promise<Services> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#services !== undefined) return this.#services;
      const aborted = Promise.withResolvers<void>();
      const wake = () => aborted.resolve();
      signal.addEventListener("abort", wake, { once: true });
      await Promise.race([this.#next.promise, aborted.promise]);
      signal.removeEventListener("abort", wake);
    }
  }

  /** Does something over the connection; where it breaks, again over the next one. */
  async through<T>(work: (services: Services) => Promise<T>, doing: string, signal: AbortSignal): Promise<T> {
    for (;;) {
      const services = await this.services(signal);
      try {
        return await work(services);
      } catch (error) {
        const failure = toFailure(error, doing);
        if (signal.aborted || !isLost(failure)) throw failure;
        this.lose(services, failure);
      }
    }
  }
}
