import type { DerivedPath, StoreBuildOptions, TargetOutcome } from "../../nix/store.ts";
import type { Stores } from "../stores.ts";
import { tellDifferences } from "./differences.ts";
import type { KeptFolders } from "./kept-folders.ts";
import type { LiveBuild } from "./live-build.ts";
import { isSuccess } from "./outcome.ts";

/** What building again needs. */
export interface RebuildParts {
  readonly queries: Stores;
  readonly keptFolders: KeptFolders;
  /** Has Nix build. */
  readonly run: (what: readonly DerivedPath[], more: StoreBuildOptions) => Promise<TargetOutcome[]>;
}

/**
 * Builds again what is valid, and says how what differs does. To tell the hash of the second output Nix has to be told to keep what failed, and then it
 * keeps the build's folder too: as many of those as there are places for.
 */
export async function buildAgain(
  wanted: readonly DerivedPath[],
  build: LiveBuild,
  { queries, keptFolders, run }: RebuildParts,
): Promise<TargetOutcome[]> {
  const begun = Date.now();
  const taken = await keptFolders.take(build.credential, wanted.length);
  try {
    const outcomes: TargetOutcome[] = [];
    for (const [what, keepFailed] of [
      [wanted.slice(0, taken.places), true],
      [wanted.slice(taken.places), false],
    ] as const) {
      const gaveUp = !build.request.keepGoing && outcomes.some(({ status }) => !isSuccess(status));
      if (what.length > 0 && !gaveUp) outcomes.push(...(await run(what, { check: true, keepFailed })));
    }
    return await queries.use(build.ended, store => tellDifferences(outcomes, store, begun, build.ended));
  } finally {
    taken.done();
  }
}
