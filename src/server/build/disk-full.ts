import { statfs } from "node:fs/promises";
import type { TargetOutcome } from "../../nix/store.ts";
import { STORE_DIR } from "../../nix/store-path.ts";

/** Less than this in the store's file system is a full disk: what Nix itself takes for one. */
const FULL_DISK = 8 * 1024 * 1024;

/** Nix calls a failure transient when its disk is nearly full, and in cases that are the build's own; so the disk is asked too. */
export async function isDiskFull(outcomes: readonly TargetOutcome[]): Promise<boolean> {
  if (!outcomes.some(outcome => outcome.status === "transient-failure")) return false;
  try {
    const { bavail, bsize } = await statfs(STORE_DIR);
    return bavail * bsize < FULL_DISK;
  } catch {
    // A store elsewhere: nothing can be said of its disk.
    return false;
  }
}
