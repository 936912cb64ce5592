import type { BuildEvent } from "./events.ts";
import type { BuildReport } from "./report.ts";

/**
 * A build under way. Iterate once for its events; the iteration ends after `summary` and does not throw. Leaving the loop early does not
 * cancel: abort the request's signal for that.
 */
export interface BuildRun extends AsyncIterable<BuildEvent> {
  /** Resolves when every output is valid here. Rejects with a `Failure`; with a `BuildFailure` if the build ran on the builder and failed. */
  readonly result: Promise<BuildReport>;
}
