import { randomBytes } from "node:crypto";
import { type FileHandle, lstat, open, readFile, readlink, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../../lib/failure.ts";
import { makeFolders } from "../../lib/folders.ts";
import { errorCode, whyOf } from "../../lib/system-error.ts";
import { MAX_FILE, parseBuilderFile } from "./file.ts";

/** How long another command that edits the same file is waited for, in milliseconds. */
const PATIENCE = 5_000;

/** The builders of a file, by name, as they stand there. */
export type RawBuilders = Map<string, unknown>;

/**
 * Changes a builder file, which is made if there is none: in one step, one command after the other, with its mode and the order of its entries, and
 * through a symbolic link. Throws a `Failure`; then the file is as it was.
 */
export async function editBuilders(path: string, change: (builders: RawBuilders) => void): Promise<void> {
  try {
    const file = await behindLinks(path);
    makeFolders(dirname(file));
    const lock = await lockFile(file);
    try {
      const before = await textOf(file);
      await replace(file, changed(before ?? "{}", path, change));
    } finally {
      await lock.close();
      await unlink(lockOf(file));
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("failed", "this machine", `cannot change the builder file ${path}: ${whyOf(error)}`, {
      reason: "builder-file",
      fix: `look at it: ls -l ${path}`,
      cause: error,
    });
  }
}

function changed(before: string, path: string, change: (builders: RawBuilders) => void): string {
  const { json } = parseBuilderFile(before, path);
  const builders: RawBuilders = new Map(Object.entries(json["builders"] ?? {}));
  change(builders);
  const [, indent = "  "] = /^([ \t]+)"/m.exec(before) ?? [];
  const text = `${JSON.stringify({ ...json, builders: Object.fromEntries(builders) }, undefined, indent)}\n`;
  if (Buffer.byteLength(text) > MAX_FILE) throw new Error("it would be larger than 1 MiB");
  return text;
}

/** Where a file truly is, or will be: what others read through a link must not become a copy. */
async function behindLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    const link = await lstat(path).then(found => found.isSymbolicLink(), absent);
    return link ? resolve(dirname(path), await readlink(path)) : resolve(path);
  }
}

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, "utf8").catch(absent);
}

function absent(error: unknown): undefined {
  if (errorCode(error) !== "ENOENT") throw error;
}

async function replace(file: string, text: string): Promise<void> {
  const old = await stat(file).catch(absent);
  const beside = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const handle = await open(beside, "wx", 0o600);
  try {
    if (old !== undefined) await takeOn(handle, old);
    await handle.writeFile(text);
    await handle.sync();
    await rename(beside, file);
  } catch (error) {
    await unlink(beside);
    throw error;
  } finally {
    await handle.close();
  }
}

/** The new file is whose the old one was, with its mode. */
async function takeOn(
  handle: FileHandle,
  { uid, gid, mode }: { uid: number; gid: number; mode: number },
): Promise<void> {
  const own = await handle.stat();
  if (own.uid !== uid || own.gid !== gid) await handle.chown(uid, gid);
  await handle.chmod(mode & 0o7777);
}

function lockOf(file: string): string {
  return `${file}.lock`;
}

/** One command at a time. The lock of one that was killed is not taken over: two might do so at once. */
async function lockFile(file: string): Promise<FileHandle> {
  const until = performance.now() + PATIENCE;
  for (;;) {
    try {
      const lock = await open(lockOf(file), "wx", 0o600);
      await lock.writeFile(`${process.pid}\n`);
      return lock;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
      if (performance.now() > until) throw locked(file);
      await sleep(20);
    }
  }
}

function locked(file: string): Failure {
  return new Failure("busy", "this machine", `another command edits ${file}, or one was killed while it did`, {
    reason: "builder-file-locked",
    fix: `if none runs: rm ${lockOf(file)}`,
  });
}
