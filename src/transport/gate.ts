import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { callSession } from "./server.ts";

/** Connect's `requestGate`: runs after a call's head and before any byte of its body. Throws a ConnectError to refuse. */
export type RequestGate = (context: HandlerContext) => void | Promise<void>;

/** Bounds of waiting in a gate. */
export interface GateLimits {
  /** Calls of one session that may wait at once. The next one is refused with ResourceExhausted. Default 32. */
  readonly maxWaiting?: number;
  /** Milliseconds that a call may wait before it is refused with Unavailable. Default 10,000. */
  readonly maxWaitMs?: number;
}

/** A gate that may wait, such as for the proof of who is asking, within bounds of number and time. A caller who leaves waits no longer. */
export function boundedGate(gate: RequestGate, { maxWaiting = 32, maxWaitMs = 10_000 }: GateLimits = {}): RequestGate {
  const waiting = new WeakMap<object, number>();
  return async context => {
    const session = context.values.get(callSession) ?? gate;
    const before = waiting.get(session) ?? 0;
    if (before >= maxWaiting) {
      throw new ConnectError(
        `more than ${maxWaiting} calls of this connection wait for permission`,
        Code.ResourceExhausted,
      );
    }
    waiting.set(session, before + 1);
    try {
      await within(maxWaitMs, context.signal, gate(context));
    } finally {
      waiting.set(session, (waiting.get(session) ?? 1) - 1);
    }
  };
}

function within(ms: number, signal: AbortSignal, passed: void | Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const late = setTimeout(() => {
      reject(new ConnectError(`permission was not settled within ${ms} ms`, Code.Unavailable));
    }, ms);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    Promise.resolve(passed)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(late);
        signal.removeEventListener("abort", onAbort);
      });
  });
}
