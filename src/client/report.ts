import { Failure, type FailureCode, type FailureOptions, type Who } from "../lib/failure.ts";

/** A derivation that was asked for, with its wanted outputs. */
export interface PlannedDerivation {
  readonly drvPath: string;
  /** Store path by output name, in the order that Nix gives. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** How a build or one of its targets ended. */
export type BuildOutcome =
  | "built"
  | "failed"
  | "timed-out"
  | "hash-mismatch"
  | "not-deterministic"
  | "cancelled"
  | "builder-failed";

/** A derivation that failed. */
export interface FailedDerivation {
  readonly drvPath: string;
  readonly outcome: BuildOutcome;
  /** What Nix says of it. */
  readonly message: string;
  /** The last lines of its log, at most 25. */
  readonly lastLines: readonly string[];
}

/** What came of a build. Times are in milliseconds. */
export interface BuildReport {
  readonly outcome: BuildOutcome;
  /** What was asked for, in the order asked, doubles kept. */
  readonly derivations: readonly PlannedDerivation[];
  /** What was asked for, as it was written. */
  readonly installable: string;
  /** The builder's endpoint id, or nothing if none was needed. */
  readonly endpointId: string | undefined;
  readonly buildId: string | undefined;
  readonly failed: readonly FailedDerivation[];
  /** The builder's sentence if it was not built. */
  readonly message: string;
  /** Whether the use of the ticket was given back. */
  readonly refunded: boolean;
  readonly evaluateMilliseconds: number;
  readonly uploadMilliseconds: number;
  readonly queuedMilliseconds: number;
  readonly buildMilliseconds: number;
  readonly downloadMilliseconds: number;
  readonly totalMilliseconds: number;
  /** Paths that the build needs, those included that the builder had already. */
  readonly inputPaths: number;
  readonly uploadedPaths: number;
  readonly uploadedBytes: number;
  readonly downloadedPaths: number;
  readonly downloadedBytes: number;
}

/** A build that ran on the builder and did not succeed: a {@link Failure} with the report. */
export class BuildFailure extends Failure {
  override name = "BuildFailure";
  readonly report: BuildReport;

  constructor(code: FailureCode, who: Who, message: string, report: BuildReport, options: FailureOptions = {}) {
    super(code, who, message, options);
    this.report = report;
  }
}
