import { existsSync, lstatSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { dirname, join } from "node:path";
import { makeFolders } from "../lib/folders.ts";

/** A program that was replaced so long ago, in milliseconds, is hardly started again. */
const FORGET = 30 * 24 * 3600 * 1000;

/**
 * Keeps what V8 compiles of a version of this program in the user's cache folder, so that the next start need not compile it again. What lies there is run, so a
 * folder into which somebody else could put something is not used, nor is Node's own default, which is below the folder for temporary files of all users. Where
 * nothing can be written the start takes a little longer, and nothing else changes. `NODE_COMPILE_CACHE` and `NODE_DISABLE_COMPILE_CACHE` are Node's, and obeyed.
 */
export function keepCompiled(env: NodeJS.ProcessEnv, version: string): void {
  const base = cacheFolder(env);
  if (base === undefined) return;
  try {
    const folder = join(base, version);
    const begun = existing(folder);
    if (!onlyOurs(realpathSync(begun))) return;
    makeFolders(folder);
    if (begun !== folder) forgetOthers(base);
    enableCompileCache(realpathSync(folder));
  } catch {
    // A home that cannot be written, or is not there: many services have none.
  }
}

function cacheFolder({ XDG_CACHE_HOME: own, HOME: home }: NodeJS.ProcessEnv): string | undefined {
  if (own?.startsWith("/")) return join(own, "drv-thru/compiled");
  return home?.startsWith("/") ? join(home, ".cache/drv-thru/compiled") : undefined;
}

/** The folder, or what there is of the way to it. */
function existing(folder: string): string {
  return existsSync(folder) ? folder : existing(dirname(folder));
}

/** Whether nobody but this user and root can put anything in place of the folder. A program of root's may run with another's HOME. */
function onlyOurs(folder: string): boolean {
  const { uid, mode } = lstatSync(folder);
  const sticky = (mode & 0o1000) !== 0;
  if ((uid !== process.geteuid?.() && uid !== 0) || ((mode & 0o022) !== 0 && !sticky)) return false;
  return folder === dirname(folder) || onlyOurs(dirname(folder));
}

/** A new version begins: those that have not been new for long are over. */
function forgetOthers(base: string): void {
  for (const name of readdirSync(base)) {
    const folder = join(base, name);
    if (Date.now() - statSync(folder).mtimeMs > FORGET) rmSync(folder, { recursive: true, force: true });
  }
}
