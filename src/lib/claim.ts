import { randomBytes, randomInt } from "node:crypto";
import { readlinkSync } from "node:fs";
import { open, readdir, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning, thisProcess } from "./process-life.ts";
import { errorCode } from "./system-error.ts";

/** How long others that have claimed the same are waited for, in milliseconds. */
const PATIENCE = 10_000;
/** A claim of which nobody can say whether its process lives is as good as gone after this time in milliseconds. */
const LONGEST = 60_000;

/** The right to a file or folder. */
export interface Claim {
  /** Whether it still holds: one that slept for a minute may have lost it. */
  holds(): Promise<boolean>;
  release(): Promise<void>;
}

/**
 * Claims a file or folder for this process. Everybody who wants it puts a file of a name of their own beside it, and has it once no other living process has one
 * there: of two that come at once each sees the other, and the first by name stays. A claim names its process, so that one of a process that was killed
 * counts for nothing and is removed by whoever sees it; no two can ever take over the same, for there is nothing to take over. `undefined`: another had
 * it for longer than one waits.
 */
export async function claim(file: string, patience = PATIENCE): Promise<Claim | undefined> {
  const own = nameFor(file);
  const path = join(dirname(file), own);
  const until = performance.now() + patience;
  try {
    for (let claimed = false; performance.now() < until; await sleep(randomInt(5, 25))) {
      // Whoever only waits is in nobody's way.
      if (!claimed && (await livingClaims(file, own)).length > 0) continue;
      if (!claimed) await (await open(path, "wx", 0o600)).close();
      const others = await livingClaims(file, own);
      if (others.length === 0) return { holds: () => isThere(path), release: () => remove(path) };
      claimed = others.every(other => own < other);
      if (!claimed) await remove(path);
    }
  } catch (error) {
    await remove(path);
    throw error;
  }
  await remove(path);
  return undefined;
}

/** The number of a process that has claimed it, or `undefined`. */
export async function claimant(file: string): Promise<number | undefined> {
  const [first] = await livingClaims(file, "");
  const pid = first?.slice(prefixOf(file).length).split(".")[1];
  return pid === undefined ? undefined : Number(pid);
}

function prefixOf(file: string): string {
  return `${basename(file)}.claim.`;
}

/** When it came, so that the first is served first; where it runs; which process it is; and something of its own. */
function nameFor(file: string): string {
  const { pid, started } = thisProcess();
  const parts = [Date.now().toString(36).padStart(9, "0"), pid, Buffer.from(started).toString("base64url"), space()];
  return `${prefixOf(file)}${[...parts, randomBytes(6).toString("hex")].join(".")}`;
}

/** The names of processes mean the same only within one of these. */
function space(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    return "0"; // no Linux, where there is only one
  }
}

/** The claims of others, without those of processes that are gone, which are removed. */
async function livingClaims(file: string, own: string): Promise<string[]> {
  const folder = dirname(file);
  const prefix = prefixOf(file);
  const living: string[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || name === own) continue;
    if (await isLiving(join(folder, name), name.slice(prefix.length))) living.push(name);
    else await remove(join(folder, name));
  }
  return living;
}

async function isLiving(path: string, name: string): Promise<boolean> {
  const [, pid = "", encoded = "", where = ""] = name.split(".");
  const started = Buffer.from(encoded, "base64url").toString();
  // Of another machine, another start of this one, or another container, nobody here can tell.
  const here = where === space() && bootOf(started) === bootOf(thisProcess().started);
  if (here && /^\d+$/.test(pid)) return isRunning({ pid: Number(pid), started });
  const { mtimeMs } = await stat(path).catch(gone);
  return Date.now() - mtimeMs < LONGEST;
}

function bootOf(started: string): string {
  return started.split(" ")[0] ?? "";
}

function gone(error: unknown): { readonly mtimeMs: number } {
  if (errorCode(error) !== "ENOENT") throw error;
  return { mtimeMs: 0 };
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(gone)).mtimeMs > 0;
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch(gone);
}
