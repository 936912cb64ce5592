import { Failure, type FailureOptions } from "../lib/failure.ts";

/** What every codec of this room throws for bytes or text that are not what they should be. Its `reason` is `malformed`. */
export class FormatError extends Failure {
  override name = "FormatError";

  constructor(message: string, options: FailureOptions = {}) {
    super("failed", "this machine", message, { reason: "malformed", ...options });
  }
}

/** A value from outside as it may stand in a message: printable ASCII, at most 80 characters, in quotes. */
export function quoted(text: string): string {
  const printable = text.slice(0, 80).replace(/[^ -~]/g, "?");
  return `"${printable}${text.length > 80 ? "…" : ""}"`;
}
