import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { User } from "./files.ts";

/** Where a user of a host finds what Node has compiled of the checkout: `keeper.sh` binds it there. */
export const compiledInside = (uid: number) => `/var/tmp/compiled/${uid}`;

/**
 * Makes the folders in which what Node compiles of the checkout outlives a host, for it is the same on every one. Each is its user's alone: what lies there
 * will be run.
 */
export function makeCompiledFolders(checkout: string, users: readonly Pick<User, "uid" | "gid">[]): void {
  for (const { uid, gid } of users) {
    const folder = join(checkout, ".cache/compiled", String(uid));
    const made = mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (made !== undefined && uid !== process.getuid?.()) chownSync(folder, uid, gid);
  }
}
