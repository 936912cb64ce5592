import type { BuildOutcome } from "../report.ts";

/** How a build ended, as the builder says. */
export interface BuildEnd {
  readonly outcome: BuildOutcome;
  readonly message: string;
  readonly reason: string | undefined;
  readonly refunded: boolean;
  readonly buildMilliseconds: number;
  readonly queuedMilliseconds: number;
  readonly targets: readonly { readonly drvPath: string; readonly outcome: BuildOutcome; readonly message: string }[];
}
