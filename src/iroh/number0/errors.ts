import { type SessionEnd, StreamError } from "../../lib/stream.ts";
import type { ConnectProblem } from "../raw.ts";

/** An address that the binding refuses: its texts were checked, so it is the id that is no key. */
export class BadAddress extends Error {
  override name = "BadAddress";
}

/** The binding's errors are Rust's debug texts: the first line is what happened, the rest where. */
function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}

/**
 * What a native read, write or finish threw, as the house knows it.
 * `lost` also stands for a session that the peer closed: whatever it said is in the session's own end.
 */
export function streamError(error: unknown): StreamError {
  if (error instanceof StreamError) return error;
  const text = firstLine(error);
  const coded = /^(Reset|Stopped)\((\d+)\)$/.exec(text);
  if (coded !== null) {
    const code = Number(coded[2]);
    return coded[1] === "Reset"
      ? new StreamError("reset", code, `the peer gave up sending, code ${code}`)
      : new StreamError("stopped", code, `the peer reads no more, code ${code}`);
  }
  // Before anything else is looked for: what follows it holds the peer's own words.
  if (text.includes("ApplicationClosed")) return new StreamError("lost", 0, "the peer closed the session");
  if (/LocallyClosed|ClosedStream/.test(text)) return new StreamError("closed", 0, "this side closed the stream");
  return new StreamError("lost", 0, "the session was lost", { cause: error });
}

/** How a connection ended, from the text its `closed()` resolves to. */
export function sessionEnd(text: string): SessionEnd {
  if (text === "closed") return { kind: "local", code: 0, reason: "" };
  // The reason is the peer's own words and may contain anything, so the code is taken from the very end.
  const closed = /^closed by peer: (?:(\d+)|([\s\S]*) \(code (\d+)\))$/.exec(text);
  if (closed !== null) return { kind: "peer", code: Number(closed[1] ?? closed[3]), reason: closed[2] ?? "" };
  return { kind: "lost", code: 0, reason: text.split("\n", 1)[0] ?? "" };
}

/** Why no connection came about. Here the cause stands below the first line, so all of the text is looked at. */
export function connectProblem(error: unknown): ConnectProblem {
  if (error instanceof BadAddress) return "bad-address";
  const text = error instanceof Error ? error.message : "";
  if (text.includes("error 120:")) return "no-common-protocol";
  if (text.includes("error 48:")) return "wrong-endpoint";
  if (text.includes("Connecting to ourself")) return "own-id";
  if (text.includes("Endpoint is closed")) return "closed";
  return /address lookup|No addressing/i.test(text) ? "no-address" : "no-answer";
}

/** Why sockets could not be bound, as the system's error number (98: in use), or `undefined`. */
export function bindErrno(error: unknown): number | undefined {
  const errno = /\(os error (\d+)\)/.exec(error instanceof Error ? error.message : "")?.[1];
  return errno === undefined ? undefined : Number(errno);
}
