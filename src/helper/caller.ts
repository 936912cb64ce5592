import { execFile } from "node:child_process";
import { readFile, readlink } from "node:fs/promises";
import type { Socket } from "node:net";
import { promisify } from "node:util";
import { Permits } from "../lib/permits.ts";

/** Who asks, for the log and for a fair share of the turns: the socket's permissions decide who may. */
export interface Caller {
  readonly uid: number;
  /** Who started the process; the other is whose rights it has. */
  readonly realUid: number;
  readonly gid: number;
}

/** Time for `ss` in milliseconds, and the most that it may print. */
const ASKING = { timeout: 2_000, maxBuffer: 16 << 20 } as const;

/** Tells the user behind the other end of a Unix socket, where the machine tells it. */
export type CallerOf = (socket: Socket) => Promise<Caller | undefined>;

/** Look-ups at once: each starts a program. */
const AT_ONCE = 2;

/**
 * Makes a {@link CallerOf}. Node has no SO_PEERCRED, so `ss` (iproute2) says which process holds the other end, and `/proc` whose it is. `undefined`
 * where there is no `ss`, no `/proc`, or the caller is gone.
 */
export function callerLookUp(): CallerOf {
  const permits = new Permits(AT_ONCE);
  return async socket => {
    const leave = await permits.acquire(new AbortController().signal);
    return await lookUp(socket).finally(leave);
  };
}

async function lookUp(socket: Socket): Promise<Caller | undefined> {
  try {
    const inode = await inodeOf(socket);
    if (inode === undefined) return undefined;
    const { stdout } = await promisify(execFile)("ss", ["-x", "-n", "-p", "-H"], ASKING);
    const pid = peerProcess(stdout, inode);
    return pid === undefined ? undefined : parseStatus(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch {
    // Any of this may be missing, and the log says that nobody is known.
    return undefined;
  }
}

async function inodeOf(socket: Socket): Promise<string | undefined> {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number" || fd < 0) return undefined;
  return /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/self/fd/${fd}`))?.[1];
}

/** Lines of `ss`: kind, state, two queues, local path and inode, peer's path and inode, `users:(("node",pid=1,fd=2))`. */
export function peerProcess(table: string, inode: string): string | undefined {
  const rows = table
    .split("\n")
    .map(line => /^\S+\s+\S+\s+\d+\s+\d+\s+.*?\s(\d+)\s+\S+\s(\d+)(?:\s+(.*))?$/.exec(line));
  const peer = rows.find(row => row?.[1] === inode)?.[2];
  if (peer === undefined || peer === "0") return undefined;
  return /pid=(\d+)/.exec(rows.find(row => row?.[1] === peer)?.[3] ?? "")?.[1];
}

/** The effective user and group, and the real user. */
function parseStatus(text: string): Caller | undefined {
  const [, realUid, uid] = /^Uid:\s+(\d+)\s+(\d+)/m.exec(text) ?? [];
  const gid = /^Gid:\s+\d+\s+(\d+)/m.exec(text)?.[1];
  if (uid === undefined || gid === undefined) return undefined;
  return { uid: Number(uid), realUid: Number(realUid), gid: Number(gid) };
}
