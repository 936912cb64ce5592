import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import { type Claim, claim, claimant } from "../lib/claim.ts";
import { Failure } from "../lib/failure.ts";
import { makeFolders } from "../lib/folders.ts";
import { type Holder, isRunning, thisProcess } from "../lib/process-life.ts";
import { givenBackBytes } from "../tickets/given-back.ts";
import { FORMAT, newerState } from "./codec.ts";
import { surviveFailedCommits, whyNotWritten } from "./commit-failure.ts";
import { DATABASE } from "./database.ts";
import { probeDatabase } from "./probe.ts";
import type { State } from "./state.ts";
import { Tables } from "./tables.ts";
import * as uses from "./uses.ts";

/** How long somebody else who opens it at this very moment is waited for, in milliseconds. */
const PATIENCE = 1_000;

/** Opens, or makes, the state in a builder's data folder, where `state/` holds it. Throws a {@link Failure} if another process holds it, or a newer version wrote it. */
export async function openState(folder: string): Promise<State> {
  const held = await claimFolder(folder);
  try {
    const root = await openRoot(folder);
    try {
      root.transactionSync(() => take(root, folder));
      const tables = new Tables(root);
      root.transactionSync(() => tables.countEnded());
      return stateOver(root, tables, held);
    } catch (error) {
      await root.close();
      throw error;
    }
  } catch (error) {
    await held.release();
    throw error;
  }
}

/** Before anything is opened: lmdb loses what one process has written when another opens and closes the same database meanwhile. */
async function claimFolder(dataFolder: string): Promise<Claim> {
  const folder = join(dataFolder, "state");
  try {
    makeFolders(folder);
    const held = await claim(folder, PATIENCE);
    if (held !== undefined) return held;
  } catch (cause) {
    throw cannotOpen(folder, cause);
  }
  throw heldBy(dataFolder, await claimant(folder));
}

async function openRoot(dataFolder: string): Promise<RootDatabase<unknown, string>> {
  const folder = join(dataFolder, "state");
  try {
    checkWritable(folder);
    await probeDatabase(folder);
    return open<unknown, string>({ ...DATABASE, path: folder });
  } catch (cause) {
    throw cannotOpen(folder, cause);
  }
}

function cannotOpen(folder: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Failure("failed", "this machine", `the builder's state in ${folder} cannot be opened: ${why}`, { cause });
}

/** `pid`: unknown of one that has just ended. */
function heldBy(folder: string, pid: number | undefined): Failure {
  const [who, stop] = pid === undefined ? ["", ""] : [`, process ${pid}`, ` (kill ${pid})`];
  return new Failure("failed", "this machine", `${folder} is held by another drv-thru serve${who}`, {
    fix: `stop that one${stop}, or give this one another folder with --data-dir`,
  });
}

function checkWritable(folder: string): void {
  const file = join(folder, "data.mdb");
  if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK);
}

/**
 * Claims the database for this process. The write transaction is a lock among processes that the kernel releases when one dies, so two that start
 * at once cannot both find it free; and a holder that died, however it died, is known by its start time.
 */
function take(root: RootDatabase<unknown, string>, folder: string): void {
  const format = root.get("format");
  if (format !== undefined && (typeof format !== "number" || format > FORMAT)) throw newerState();
  const holder = asHolder(root.get("holder"));
  if (holder !== undefined && isRunning(holder)) {
    throw heldBy(folder, holder.pid);
  }
  root.put("format", FORMAT);
  root.put("holder", thisProcess());
}

function asHolder(value: unknown): Holder | undefined {
  if (typeof value !== "object" || value === null || !("pid" in value) || !("started" in value)) return undefined;
  const { pid, started } = value;
  return typeof pid === "number" && typeof started === "string" ? { pid, started } : undefined;
}

/** The state over an open database, which `held` keeps from others. */
export function stateOver(root: RootDatabase<unknown, string>, tables: Tables, held?: Claim): State {
  const rest = surviveFailedCommits();
  const write = async <T>(inside: () => T): Promise<T> => {
    // A child transaction: whatever throws inside leaves nothing behind.
    try {
      const result = await root.childTransaction(inside);
      // The transaction's own promise says that it can be read; only this says that it is on disk.
      await root.flushed;
      return result;
    } catch (error) {
      throw await whyNotWritten(error);
    }
  };
  return {
    createTicket: ticket => write(() => tables.putTicket(ticket)),
    ticket: id => tables.ticket(id),
    ticketsByPrefix: (prefix, limit) => (/^[0-9a-f]{1,64}$/.test(prefix) ? tables.ticketsByPrefix(prefix, limit) : []),
    tickets: () => tables.tickets(),
    revokeTicket: (id, now) => write(() => uses.revoke(tables, id, now)),
    reserve: (request, now) => write(() => uses.reserve(tables, request, now)),
    commit: (build, now) => write(() => uses.commit(tables, build, now)),
    refund: (build, end) => write(() => uses.refund(tables, build, end)),
    finish: (build, end) => write(() => uses.finish(tables, build, end)),
    noteReceived: (build, bytes) => write(() => uses.noteReceived(tables, build, bytes)),
    addDownloaded: (build, bytes) => write(() => uses.addDownloaded(tables, build, bytes)),
    build: id => tables.build(id),
    buildsOf: (owner, limit) => tables.buildsOf(owner, limit),
    unfinished: () => tables.unfinished(),
    recent: limit => tables.recent(limit),
    // A write costs the disk something, also where there is nothing to write.
    forget: async keep => (tables.endedCount > keep ? await write(() => tables.forgetEnded(keep)) : []),
    givenBack: (credential, now) => givenBackBytes(tables.givenBack(credential), now),
    close: async () => {
      try {
        await write(() => root.remove("holder"));
      } finally {
        await root.close();
        rest();
        await held?.release();
      }
    },
  };
}
