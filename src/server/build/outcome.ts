import { BuildOutcome } from "../../../gen/drvthru/v1/build_pb.js";
import type { BuildStatus, TargetOutcome } from "../../nix/store.ts";

/** Whether a build status of Nix is a success. */
export function isSuccess(status: BuildStatus): boolean {
  return (
    status === "built" ||
    status === "substituted" ||
    status === "already-valid" ||
    status === "resolves-to-already-valid"
  );
}

/**
 * How a target ended. Nix's status tells most. A wrong hash is "output-rejected", as are some other faults of an output, and a target whose dependency
 * failed says only that; so for these two alone Nix's own words decide, and where they do not match it is a plain failure.
 */
function outcomeOf({ status, message }: TargetOutcome): BuildOutcome {
  if (isSuccess(status)) return BuildOutcome.BUILT;
  if (status === "timed-out") return BuildOutcome.TIMED_OUT;
  if (status === "not-deterministic") return BuildOutcome.NOT_DETERMINISTIC;
  if (status === "output-rejected" && /hash mismatch/.test(message)) return BuildOutcome.HASH_MISMATCH;
  return BuildOutcome.FAILED;
}

/** What Nix said beside the results, as far as it tells why a dependency failed. */
export class FailureHints {
  #hashMismatch = false;
  #timedOut = false;

  /** Takes a message of Nix: never a line of a build's own log. */
  note(text: string): void {
    if (/hash mismatch in fixed-output derivation/.test(text)) this.#hashMismatch = true;
    if (/timed out after \d+ seconds/.test(text)) this.#timedOut = true;
  }

  /** How a target whose dependency failed ended, as well as can be told. */
  refine(target: TargetOutcome): BuildOutcome {
    const outcome = outcomeOf(target);
    if (outcome !== BuildOutcome.FAILED || target.status !== "dependency-failed") return outcome;
    if (this.#timedOut) return BuildOutcome.TIMED_OUT;
    return this.#hashMismatch ? BuildOutcome.HASH_MISMATCH : outcome;
  }
}

/** How a build ended whose targets ended so. The first that one of them has, in this order. */
export function overallOutcome(targets: readonly BuildOutcome[]): BuildOutcome {
  const order = [
    BuildOutcome.TIMED_OUT,
    BuildOutcome.HASH_MISMATCH,
    BuildOutcome.FAILED,
    BuildOutcome.NOT_DETERMINISTIC,
  ];
  return order.find(outcome => targets.includes(outcome)) ?? BuildOutcome.BUILT;
}
