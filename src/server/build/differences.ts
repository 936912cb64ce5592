import { lstat } from "node:fs/promises";
import { errorCode } from "../../lib/system-error.ts";
import { cleanText } from "../../lib/terminal.ts";
import { createHasher, formatSha256, parseSha256, type Sha256 } from "../../nix/hash.ts";
import { dumpPath } from "../../nix/nar/dump.ts";
import type { Store, TargetOutcome } from "../../nix/store.ts";
import { parseStorePath } from "../../nix/store-path.ts";

const MAX_MESSAGE = 8 * 1024;
/** How far the clock of a file system may be behind, in milliseconds. */
const CLOCK = 1_000;

/** What Nix says of an output that came out differently; the `.check` is where it leaves what the second build made. */
const DIFFERS = /output '([^']+)' differs(?: from '[^']*')?/g;

/** The folder of which Nix says that it keeps it: it does so with the output of a second build that differs. */
export function keptFolder(message: string): string | undefined {
  return /^note: keeping build directory '([^']+)'/.exec(cleanText(message, MAX_MESSAGE))?.[1];
}

/**
 * Adds both hashes of each output that was built again and differs to what Nix says, which names only the paths. Nix leaves the second build's output
 * beside the first, with `.check` at its end, until the garbage collector takes it. `since`: milliseconds; what is older is of another check.
 */
export async function tellDifferences(
  outcomes: readonly TargetOutcome[],
  store: Pick<Store, "pathInfos">,
  since: number,
  signal: AbortSignal,
): Promise<TargetOutcome[]> {
  const told = async (outcome: TargetOutcome): Promise<TargetOutcome> => {
    if (outcome.status !== "not-deterministic") return outcome;
    // Nix paints its messages.
    const message = cleanText(outcome.message, MAX_MESSAGE);
    const lines = [message.replace(DIFFERS, "output '$1' differs").trimEnd()];
    for (const [, path = ""] of message.matchAll(DIFFERS))
      lines.push(...(await bothHashes(path, store, since, signal)));
    return { ...outcome, message: lines.join("\n") };
  };
  const all: TargetOutcome[] = [];
  for (const outcome of outcomes) all.push(await told(outcome));
  return all;
}

async function bothHashes(text: string, store: Pick<Store, "pathInfos">, since: number, signal: AbortSignal) {
  const path = parseStorePath(text);
  if (path === undefined) return [];
  const [info] = await store.pathInfos([path]);
  const before = info?.narHash;
  const again = await hashOf(`${path}.check`, since, signal);
  const shown = (hash: Sha256 | undefined) =>
    hash === undefined ? "not known, for the builder did not keep it" : formatSha256(hash, "sri");
  return [`${path}`, `  built before: ${shown(before)}`, `  built again:  ${shown(again)}`];
}

/** The NAR hash of a path in the store that is not valid; nothing if it is not there. */
async function hashOf(path: string, since: number, signal: AbortSignal): Promise<Sha256 | undefined> {
  try {
    if ((await lstat(path)).ctimeMs < since - CLOCK) return undefined;
    const hasher = createHasher("sha256");
    for await (const piece of dumpPath(path)) {
      signal.throwIfAborted();
      hasher.update(piece);
    }
    return parseSha256(hasher.digest().hex);
  } catch (error) {
    // Gone again, or kept from this user: the answer is then only that they differ.
    if (["ENOENT", "EACCES"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}
