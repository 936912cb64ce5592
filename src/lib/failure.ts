/** Who refused or failed. */
export type Who = "this machine" | "the builder" | "nix" | "the network";

/** What kind of failure it is. The command line maps these to exit codes; programs switch on them. */
export type FailureCode =
  | "failed"
  | "usage"
  | "unreachable"
  | "busy"
  | "not-permitted"
  | "build-failed"
  | "timed-out"
  | "hash-mismatch"
  | "not-deterministic"
  | "cancelled";

/** More about a {@link Failure}. */
export interface FailureOptions extends ErrorOptions {
  /** What the person can do: usually a command to paste. */
  readonly fix?: string;
  /** The finer reason a builder gave, in lower-case words with dashes, such as `ticket-exhausted`. */
  readonly reason?: string;
}

/** An error that says what failed (with the value), who refused, and what to do next. Everything that reaches a person is one of these. */
export class Failure extends Error {
  override name = "Failure";
  readonly code: FailureCode;
  readonly who: Who;
  readonly fix: string | undefined;
  readonly reason: string | undefined;

  constructor(code: FailureCode, who: Who, message: string, options: FailureOptions = {}) {
    super(message, options);
    this.code = code;
    this.who = who;
    this.fix = options.fix;
    this.reason = options.reason;
  }
}
