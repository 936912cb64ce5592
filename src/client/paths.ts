import { join } from "node:path";
import { Failure } from "../lib/failure.ts";
import { HELPER_SOCKET } from "../lib/helper-protocol.ts";

/** The variables that say where a user's files are. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The user's file for the client key. Throws a `Failure` that names the flag if there is no home. */
export function defaultKeyFile(env: Environment): string {
  return join(base(env, "XDG_CONFIG_HOME", ".config", "--key-file PATH"), "drv-thru", "secret.key");
}

/** The user's folder for configuration, or `undefined` without a home. */
export function configFolder(env: Environment): string | undefined {
  const own = env["XDG_CONFIG_HOME"];
  if (own?.startsWith("/")) return join(own, "drv-thru");
  return env["HOME"] ? join(env["HOME"], ".config/drv-thru") : undefined;
}

/** Where unfinished builds are noted, or `undefined` without a home. */
export function stateFolder(env: Environment): string | undefined {
  const own = env["XDG_STATE_HOME"];
  if (own?.startsWith("/")) return join(own, "drv-thru");
  return env["HOME"] ? join(env["HOME"], ".local/state/drv-thru") : undefined;
}

/** Where the import helper of this machine listens: `DRV_THRU_HELPER_SOCKET`, or the usual place. */
export function helperSocket(env: Environment): string {
  return env["DRV_THRU_HELPER_SOCKET"] || HELPER_SOCKET;
}

function base(env: Environment, variable: string, folder: string, flag: string): string {
  const own = env[variable];
  // The base directory rules say to ignore a relative one.
  if (own?.startsWith("/")) return own;
  if (env["HOME"]) return join(env["HOME"], folder);
  throw new Failure(
    "usage",
    "this machine",
    `neither ${variable} nor HOME is set, so there is no place for your client key`,
    {
      reason: "no-home",
      fix: `pass ${flag}, or set HOME`,
    },
  );
}
