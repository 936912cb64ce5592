import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { Failure } from "../../lib/failure.ts";
import { streamWire, type Wire } from "./wire.ts";

/** Longest text of a daemon's complaint that is kept, in characters. */
const MOST = 2000;

/**
 * Older daemons splice, which fails on what Node gives a child for pipes: `cat` makes real ones. The shell lets go of both ends, so that a daemon
 * that does not start is seen to hang up, though the first `cat` still waits.
 */
const SCRIPT = `exec 3>&1 4<&0 1>&2 </dev/null
cat <&4 3>&- 4<&- | nix-daemon --stdio 3>&- 4<&- | cat >&3 3>&- 4<&- &
exec 3>&- 4<&-
wait`;

/** Whether this user may write Nix's state: then Nix itself uses the store without a daemon. */
export async function ownsStore(stateFolder: string): Promise<boolean> {
  return access(stateFolder, constants.W_OK).then(
    () => true,
    () => false, // not there or not ours: both mean no
  );
}

/**
 * A daemon of our own, for this conversation alone, and what to say if it hangs up without a word. `store`: as `NIX_REMOTE` names it; default the
 * machine's own.
 */
export function ownDaemon(
  env: Readonly<Record<string, string | undefined>>,
  store?: string,
): { wire: Wire; silent: () => Failure } {
  const child = spawn("sh", ["-c", SCRIPT], {
    env: { ...env, NIX_REMOTE: store ?? "local" },
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
  child.on("error", error => wire.destroy(cannotStart(error.message, store)));
  return { wire, silent: () => cannotStart(said.trim(), store) };
}

function cannotStart(why: string, store: string | undefined): Failure {
  const daemon = "nix-daemon --stdio does not start";
  const message =
    store === undefined ? `no Nix daemon is running, and ${daemon}` : `cannot open the store ${store}: ${daemon}`;
  const fix =
    store === undefined
      ? "start the Nix daemon, or put nix-daemon into PATH"
      : "choose a folder that you may write to, and put nix-daemon into PATH";
  return new Failure("unreachable", "nix", `${message}: ${why.replace(/^error: /, "")}`, {
    reason: "daemon-unreachable",
    fix,
  });
}
