import { accessSync, constants, existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { Failure } from "../lib/failure.ts";
import { makeFolders } from "../lib/folders.ts";
import { whyOf } from "../lib/system-error.ts";

const SYSTEM = "/var/lib/drv-thru";

/** Where a builder keeps its files: the flag, `DRV_THRU_DATA_DIR`, the system's folder if it is writable, the user's own. Absolute. */
export function findDataFolder(flag: string | undefined, env: NodeJS.ProcessEnv, system = SYSTEM): string {
  const named = flag ?? (env["DRV_THRU_DATA_DIR"] || undefined);
  if (named === "")
    throw new Failure("usage", "this machine", "the data folder must not be empty", { fix: "--data-dir DIR" });
  if (named !== undefined) return resolve(named);
  if (isWritable(existsSync(system) ? system : dirname(system))) return system;
  const state = env["XDG_STATE_HOME"];
  if (state !== undefined && isAbsolute(state)) return join(state, "drv-thru");
  const home = env["HOME"] ?? homeOrNone();
  if (home !== undefined && isAbsolute(home)) return join(home, ".local", "state", "drv-thru");
  throw new Failure("usage", "this machine", "there is no HOME to keep the builder's files in", {
    fix: "drv-thru serve --data-dir DIR",
  });
}

/** Makes the data folder, and refuses one into which others may put files. Throws a {@link Failure}. */
export function prepareDataFolder(folder: string): void {
  try {
    makeFolders(folder);
    const stat = statSync(folder);
    if (!stat.isDirectory()) throw new Error("it is not a folder");
    if ((stat.mode & 0o022) !== 0) {
      const mode = (stat.mode & 0o7777).toString(8);
      throw new Failure("failed", "this machine", `others may write into the data folder ${folder} (mode ${mode})`, {
        fix: `chmod 700 ${folder}`,
      });
    }
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure("failed", "this machine", `the data folder ${folder} cannot be used: ${whyOf(cause)}`, {
      cause,
      fix: "choose another one: drv-thru serve --data-dir DIR",
    });
  }
}

/** What to tell whoever takes over a data folder of the earlier program, or `undefined`: its keys stay, its tickets do not. */
export function leftBehind(folder: string): string | undefined {
  const file = join(folder, "tickets.json");
  if (!existsSync(file)) return undefined;
  return `${file} is of an earlier version and is not read: its tickets do not work any more, the builder's keys stay. Make new tickets, and remove it: rm ${file}`;
}

function homeOrNone(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined; // a user without an entry in the system's list
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
