import { StreamError } from "../../lib/stream.ts";
import type { ConnectProblem } from "../raw.ts";
import { AddonError } from "./calls.ts";

/** What a call of a stream or a connection threw, as the house knows it. */
export function streamError(error: unknown): StreamError {
  if (error instanceof StreamError) return error;
  const { kind, code } = error instanceof AddonError ? error : { kind: "lost", code: 0 };
  if (kind === "reset") return new StreamError("reset", code, `the peer gave up sending, code ${code}`);
  if (kind === "stopped") return new StreamError("stopped", code, `the peer reads no more, code ${code}`);
  if (kind === "closed" || kind === "cancelled") return new StreamError("closed", 0, "this side closed the stream");
  if (kind === "closed-by-peer") return new StreamError("lost", 0, "the peer closed the session");
  return new StreamError("lost", 0, "the session was lost", { cause: error });
}

const connectProblems: readonly ConnectProblem[] = [
  "wrong-endpoint",
  "no-common-protocol",
  "own-id",
  "no-address",
  "bad-address",
  "closed",
];

/** Why no connection came about. */
export function connectProblem(error: unknown): ConnectProblem {
  const kind = error instanceof AddonError ? error.kind : undefined;
  return connectProblems.find(problem => problem === kind) ?? "no-answer";
}

/** Why sockets could not be bound, as the system's error number (98: in use), or `undefined`. */
export function bindErrno(error: unknown): number | undefined {
  return error instanceof AddonError && error.code !== 0 ? error.code : undefined;
}
