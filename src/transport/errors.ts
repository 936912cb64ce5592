import { Code, ConnectError } from "@connectrpc/connect";
import { StreamCode, StreamError } from "../lib/stream.ts";
import { FrameError } from "./frames.ts";

const resetCodes = new Map<number, readonly [Code, string]>([
  [StreamCode.enough, [Code.Aborted, "the other side ended the call early"]],
  [StreamCode.cancel, [Code.Canceled, "the other side cancelled the call"]],
  [StreamCode.internal, [Code.Internal, "the other side failed inside"]],
  [StreamCode.deadline, [Code.DeadlineExceeded, "the other side's deadline passed"]],
  [StreamCode.refused, [Code.Unavailable, "the other side takes no more calls on this connection; try again"]],
]);

/** The Connect error for a peer's reset or stop code. */
export function errorOfCode(code: number, cause?: unknown): ConnectError {
  const [connectCode, message] = resetCodes.get(code) ?? [
    Code.Unknown,
    `the other side ended the call with code ${code}`,
  ];
  return new ConnectError(message, connectCode, undefined, undefined, cause);
}

/** The code that tells a peer why this side gave up. */
export function codeOfError(error: unknown): number {
  const { code } = ConnectError.from(error, Code.Canceled);
  if (code === Code.DeadlineExceeded) return StreamCode.deadline;
  return code === Code.Internal ? StreamCode.internal : StreamCode.cancel;
}

/** The one door through which errors of a stream or its framing become Connect errors. Others pass as they are. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof FrameError) {
    return new ConnectError(`protocol error: ${error.message}`, Code.Internal, undefined, undefined, error);
  }
  if (!(error instanceof StreamError)) return ConnectError.from(error);
  if (error.kind === "reset" || error.kind === "stopped") return errorOfCode(error.code, error);
  const message = error.kind === "lost" ? "the connection was lost" : "the connection is closed";
  return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
}

/** The error of a call whose bytes ended without an END frame. */
export function cutOff(what: "request" | "answer"): ConnectError {
  return new ConnectError(`the ${what} was cut off`, Code.Unavailable);
}

/** True if the peer refused a call before any of it ran, so that repeating it elsewhere or later is always safe. */
export function wasRefused(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  const { cause } = error;
  return cause instanceof StreamError && cause.kind === "reset" && cause.code === StreamCode.refused;
}
