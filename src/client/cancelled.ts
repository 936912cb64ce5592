import { Failure } from "../lib/failure.ts";

/** The failure of whoever aborted: its own if the signal carries one. */
export function cancelled(reason: unknown): Failure {
  if (reason instanceof Failure) return reason;
  return new Failure("cancelled", "this machine", "the build was cancelled", { reason: "cancelled", cause: reason });
}
