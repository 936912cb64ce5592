import type { Failure, FailureCode, Who } from "../../lib/failure.ts";
import { codeOfReason } from "../errors.ts";
import { BuildFailure, type BuildOutcome, type BuildReport, type FailedDerivation } from "../report.ts";
import type { Activities } from "./activities.ts";
import type { BuildEnd } from "./build-end.ts";

/** The failed derivations of a build with the ends of their logs. */
export function failedDerivations(end: BuildEnd, activities: Activities): FailedDerivation[] {
  return end.targets
    .filter(target => target.outcome !== "built")
    .map(target => {
      const lastLines = activities.lastLines(target.drvPath);
      return { ...target, lastLines, message: lastLines.length > 0 ? firstLine(target.message) : target.message };
    });
}

/** The failure that a build's end is, or `undefined` if it succeeded. */
export function failureOfEnd(end: BuildEnd, report: BuildReport): Failure | undefined {
  if (end.outcome === "built") return undefined;
  const [code, who] = codeOf(end);
  const message = end.outcome === "failed" ? firstLine(end.message) : end.message;
  const given = end.refunded ? "\nthe use of the ticket was given back" : "";
  return new BuildFailure(
    code,
    who,
    (message || WORDS[end.outcome]) + given,
    report,
    end.reason === undefined ? {} : { reason: end.reason },
  );
}

/** Nix repeats the end of the log below; the report has it. */
function firstLine(text: string): string {
  const [line = ""] = text.split("\n");
  return line.replace(/;$/, "");
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
      return ["build-failed", "nix"];
  }
}
