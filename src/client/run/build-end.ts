import type { BuildOutcome } from "../report.ts";

/** How a build ended, as the builder says. */
export interface BuildEnd {
  readonly outcome: BuildOutcome;
  readonly message: string;
  readonly reason: string | undefined;
  readonly refunded: boolean;
  readonly buildMilliseconds: number;
  readonly queuedMilliseconds: number;
  readonly targets: readonly (EndOfDerivation & { readonly dependencyFailed: boolean })[];
  /** Derivations that are no targets and failed themselves. */
  readonly failures: readonly EndOfDerivation[];
}

interface EndOfDerivation {
  readonly drvPath: string;
  readonly outcome: BuildOutcome;
  readonly message: string;
}
