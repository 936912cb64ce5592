import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuildId, parseId } from "../../lib/ids.ts";
import { errorCode, whyOf } from "../../lib/system-error.ts";

/** What makes two commands the same: who asks, whom, and for what. */
export interface NoteKey {
  /** The ticket's id, or the client's. */
  readonly credential: string;
  readonly client: string;
  readonly endpointId: string;
  /** The encoded targets and options. */
  readonly request: Uint8Array;
}

/** Unfinished builds of this user, so that a command that was killed can be run again and goes on. */
export interface Notes {
  /** An unfinished build of the same command, whose process is gone. */
  find(key: NoteKey): Promise<BuildId | undefined>;
  /** Notes a build before it is opened. */
  write(key: NoteKey, build: BuildId): Promise<void>;
  /** Forgets a build. */
  remove(build: BuildId): Promise<void>;
}

interface Note {
  readonly build: BuildId;
  readonly digest: string;
  readonly process: string;
}

const MAX_NOTES = 1024;
const MAX_NOTE = 4096;
const MAX_AGE_MS = 7 * 24 * 3600 * 1000;

/** Notes as one file per build in a folder. `onTrouble` hears, once, that the folder cannot be used; the build goes on without. */
export function openNotes(folder: string | undefined, onTrouble: (text: string) => void): Notes {
  let broken = folder === undefined;
  const attempt = async <T>(work: (folder: string) => Promise<T>): Promise<T | undefined> => {
    if (broken || folder === undefined) return undefined;
    try {
      return await work(join(folder, "builds"));
    } catch (error) {
      broken = true;
      onTrouble(`cannot note this build in ${folder}, so a second run could not go on with it: ${whyOf(error)}`);
      return undefined;
    }
  };
  return {
    find: key => attempt(at => find(at, digestOf(key))),
    write: async (key, build) => {
      const own = (await describeProcess(process.pid)) ?? `${process.pid}@?`;
      await attempt(at => write(at, { build, digest: digestOf(key), process: own }));
    },
    remove: async build => {
      await attempt(at => remove(join(at, `${build}.json`)));
    },
  };
}

function digestOf({ credential, client, endpointId, request }: NoteKey): string {
  const hash = createHash("sha256").update(`${credential}\n${client}\n${endpointId}\n`);
  return hash.update(request).digest("hex");
}

async function find(folder: string, digest: string): Promise<BuildId | undefined> {
  const names = await readdir(folder).catch(absent);
  for (const name of (names ?? []).slice(0, MAX_NOTES)) {
    const file = join(folder, name);
    const info = await stat(file).catch(absent);
    if (info === undefined || !name.endsWith(".json")) continue;
    // A builder forgets an abandoned build long before.
    if (Date.now() - info.mtimeMs > MAX_AGE_MS) await remove(file);
    const note = info.size > MAX_NOTE ? undefined : parseNote(await readFile(file, "utf8").catch(absent));
    if (note?.digest === digest && !(await isRunning(note.process))) return note.build;
  }
  return undefined;
}

async function write(folder: string, note: Note): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${note.build}.json`);
  const beside = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  await writeFile(beside, `${JSON.stringify(note)}\n`, { mode: 0o600, flag: "wx" });
  await rename(beside, file);
}

async function remove(file: string): Promise<void> {
  await unlink(file).catch(absent);
}

function parseNote(text: string | undefined): Note | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Half a note of another program is no note.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { build, digest, process } = value as Record<string, unknown>;
  const id = typeof build === "string" ? parseId<BuildId>(build) : undefined;
  if (id === undefined || typeof digest !== "string" || typeof process !== "string") return undefined;
  return { build: id, digest, process };
}

function absent(error: unknown): undefined {
  if (errorCode(error) !== "ENOENT") throw error;
  return undefined;
}

/** A process by number and start, because numbers are used again. */
async function describeProcess(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The 22nd field; the second may hold blanks and brackets.
  const start = line?.slice(line.lastIndexOf(")") + 2).split(" ")[19];
  if (start !== undefined) return `${pid}@${start}`;
  try {
    process.kill(pid, 0);
    return `${pid}@?`;
  } catch (error) {
    return errorCode(error) === "EPERM" ? `${pid}@?` : undefined;
  }
}

async function isRunning(described: string): Promise<boolean> {
  const pid = Number(described.split("@")[0]);
  return Number.isSafeInteger(pid) && pid > 0 && (await describeProcess(pid)) === described;
}
