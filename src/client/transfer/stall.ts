import { Failure } from "../../lib/failure.ts";

/** Ends a transfer in which nothing moves any more, so that no wait is for ever. */
export interface StallGuard extends Disposable {
  /** Fires after the time without a {@link moved}, and with the outer signal. */
  readonly signal: AbortSignal;
  /** Something moved. */
  moved(): void;
}

/** Longest time in milliseconds in which a transfer may stand still. The builder drops a stalled one earlier. */
const PATIENCE_MS = 120_000;

/** Makes a {@link StallGuard}. */
export function guardStall(doing: string, outer: AbortSignal, patienceMs: number = PATIENCE_MS): StallGuard {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(stalled(doing, patienceMs)), patienceMs);
  return {
    signal: AbortSignal.any([outer, controller.signal]),
    moved: () => {
      timer.refresh();
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

function stalled(doing: string, patienceMs: number): Failure {
  const message = `nothing has moved for ${Math.round(patienceMs / 1000)} s while ${doing}`;
  return new Failure("unreachable", "the network", message, { reason: "connection-lost" });
}
