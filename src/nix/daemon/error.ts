import { Failure } from "../../lib/failure.ts";
import { cleanText } from "../../lib/terminal.ts";

/** Longest error text that is passed on, in characters. */
const LONGEST = 64 * 1024;

/** An answer of the daemon that is an error: the conversation goes on after it. Any other error ends it. */
export class Refusal extends Failure {}

/** Nix's own text as a failure. Nix gives errors no codes, so a full disk is known by the text of the system's error alone. */
export function refusal(text: string): Refusal {
  const message = plain(text);
  if (/No space left on device/.test(message)) {
    return new Refusal("failed", "nix", message, { reason: "disk-full", fix: "nix-collect-garbage" });
  }
  return new Refusal("failed", "nix", message, { reason: "refused" });
}

/** The text without colours, other control characters and the word that Nix puts in front of errors. */
function plain(text: string): string {
  return cleanText(text, LONGEST)
    .trim()
    .replace(/^error:\s*/, "");
}

/** The daemon closed the connection. */
export class HungUp extends Failure {
  constructor(cause?: unknown) {
    super("unreachable", "nix", "the Nix daemon closed the connection", { reason: "connection-lost", cause });
  }
}

/** The store was closed by this side. */
export function storeClosed(): Failure {
  return new Failure("cancelled", "nix", "the connection to the Nix daemon was closed", { reason: "connection-lost" });
}

/** The daemon's bytes do not follow the protocol: nothing after them can be understood. */
export function protocolError(what: string): Failure {
  return new Failure("failed", "nix", `the Nix daemon sent what its protocol does not allow: ${what}`, {
    reason: "connection-lost",
  });
}
