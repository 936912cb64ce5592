import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { Failure } from "../../lib/failure.ts";
import { streamWire, type Wire } from "./wire.ts";

/** Longest text of a daemon's complaint that is kept, in characters. */
const MOST = 2000;

/** Whether this user may write Nix's state: then Nix itself uses the store without a daemon. */
export async function ownsStore(stateFolder: string): Promise<boolean> {
  return access(stateFolder, constants.W_OK).then(
    () => true,
    () => false, // not there or not ours: both mean no
  );
}

/** A daemon of our own, for this conversation alone, and what to say if it hangs up without a word. */
export function ownDaemon(env: Readonly<Record<string, string | undefined>>): { wire: Wire; silent: () => Failure } {
  // Older daemons splice, which fails on what Node gives a child for pipes: `cat` makes real ones.
  const child = spawn("sh", ["-c", "cat | nix-daemon --stdio | cat"], {
    env: { ...env, NIX_REMOTE: "local" },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true, // Ctrl-C is ours to handle: closing its pipes ends it and its builders
  });
  let said = "";
  child.stderr.on("data", chunk => {
    said = (said + chunk).slice(0, MOST);
  });
  const wire = streamWire(child.stdout, child.stdin, () => {
    child.stderr.destroy();
    child.unref(); // it ends when its pipes do; nobody need wait for that
  });
  child.on("error", error => wire.destroy(cannotStart(error.message)));
  return { wire, silent: () => cannotStart(said.trim()) };
}

function cannotStart(why: string): Failure {
  return new Failure("unreachable", "nix", `no Nix daemon is running, and nix-daemon --stdio does not start: ${why}`, {
    reason: "daemon-unreachable",
    fix: "start the Nix daemon, or put nix-daemon into PATH",
  });
}
