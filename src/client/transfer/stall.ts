import { Failure } from "../../lib/failure.ts";

/** Ends a transfer in which nothing moves any more, so that no wait is for ever. */
export interface StallGuard extends Disposable {
  /** Fires after the time without a {@link moved}, and with the outer signal. */
  readonly signal: AbortSignal;
  /** Something moved. */
  moved(): void;
  /** From now on only the time inside of this counts: what goes on between is not the other side's delay. */
  during<T>(wait: Promise<T>): Promise<T>;
}

/** Longest time in milliseconds in which a transfer may stand still. The builder drops a stalled one earlier. */
const PATIENCE_MS = 120_000;

/** Makes a {@link StallGuard}. */
export function guardStall(doing: string, outer: AbortSignal, patienceMs: number = PATIENCE_MS): StallGuard {
  const controller = new AbortController();
  const giveUp = () => controller.abort(stalled(doing, patienceMs));
  let timer = setTimeout(giveUp, patienceMs);
  return {
    signal: AbortSignal.any([outer, controller.signal]),
    moved: () => {
      timer.refresh();
    },
    during: async wait => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, patienceMs);
      try {
        return await wait;
      } finally {
        clearTimeout(timer);
      }
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

function stalled(doing: string, patienceMs: number): Failure {
  const message = `nothing has moved for ${Math.round(patienceMs / 1000)} s while ${doing}`;
  return new Failure("unreachable", "the network", message, { reason: "connection-lost" });
}
