import type { FailureCode } from "../lib/failure.ts";

/** The exit codes of every command; `docs/cli.md` has the same table. Nix's own numbers from 100 on. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  tryAgain: 3,
  notPermitted: 4,
  buildFailed: 100,
  timedOut: 101,
  hashMismatch: 102,
  notDeterministic: 104,
  interrupted: 130,
} as const;

const CODES: Record<FailureCode, number> = {
  failed: ExitCode.failed,
  usage: ExitCode.usage,
  unreachable: ExitCode.tryAgain,
  busy: ExitCode.tryAgain,
  "not-permitted": ExitCode.notPermitted,
  "build-failed": ExitCode.buildFailed,
  "timed-out": ExitCode.timedOut,
  "hash-mismatch": ExitCode.hashMismatch,
  "not-deterministic": ExitCode.notDeterministic,
  cancelled: ExitCode.interrupted,
};

/** The exit code of a failure. */
export function exitCodeOf(code: FailureCode): number {
  return CODES[code];
}
