import type { Failure, FailureCode, Who } from "../../lib/failure.ts";
import { codeOfReason } from "../errors.ts";
import { BuildFailure, type BuildOutcome, type BuildReport, type FailedDerivation } from "../report.ts";
import type { Activities } from "./activities.ts";
import type { BuildEnd } from "./build-end.ts";

/** The derivations that failed themselves with the ends of their logs; a target that only needed one of them is named where no other is. */
export function failedDerivations({ targets, failures }: BuildEnd, activities: Activities): FailedDerivation[] {
  const explained = failures.length > 0;
  const own = targets.filter(target => target.outcome !== "built" && !(explained && target.dependencyFailed));
  return [...failures, ...own].map(({ drvPath, outcome, message }) => {
    const lastLines = activities.lastLines(drvPath);
    return { drvPath, outcome, message: lastLines.length > 0 ? withoutLog(message) : message, lastLines };
  });
}

/** The failure that a build's end is, or `undefined` if it succeeded. */
export function failureOfEnd(end: BuildEnd, report: BuildReport): Failure | undefined {
  if (end.outcome === "built") return undefined;
  const [code, who] = codeOf(end);
  const message = withoutLog(end.message);
  const given = end.refunded ? "\nthe use of the ticket was given back" : "";
  return new BuildFailure(
    code,
    who,
    (message || WORDS[end.outcome]) + given,
    report,
    end.reason === undefined ? {} : { reason: end.reason },
  );
}

/** Nix repeats the end of the log in its words; the report has it. */
function withoutLog(text: string): string {
  return text.replace(/;?\s*\n\s*last \d+ log lines?:[\s\S]*$/i, "").replace(/;$/, "");
}

const WORDS: Readonly<Record<BuildOutcome, string>> = {
  built: "",
  failed: "the build failed",
  "timed-out": "the build took longer than it may",
  "hash-mismatch": "a fixed output has another hash than the derivation says",
  "not-deterministic": "the build was repeated and gave something else",
  cancelled: "the build was cancelled on the builder",
  "builder-failed": "the builder failed",
};

function codeOf({ outcome, reason }: BuildEnd): readonly [FailureCode, Who] {
  switch (outcome) {
    case "builder-failed":
      return [codeOfReason(reason), "the builder"];
    case "timed-out":
    case "hash-mismatch":
    case "not-deterministic":
      return [outcome, "nix"];
    case "cancelled":
      // Not by this command: that one ends before the result comes.
      return ["failed", "the builder"];
    default:
      return reason === "cannot-build-here" ? ["failed", "the builder"] : ["build-failed", "nix"];
  }
}
