import { randomBytes } from "node:crypto";
import { type FileHandle, lstat, open, readFile, readlink, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { claim } from "../../lib/claim.ts";
import { Failure } from "../../lib/failure.ts";
import { makeFolders } from "../../lib/folders.ts";
import { errorCode, whyOf } from "../../lib/system-error.ts";

import { MAX_FILE, parseBuilderFile } from "./file.ts";

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
    const mine = await claim(file);
    if (mine === undefined) throw locked(file);
    try {
      const before = await textOf(file);
      const text = changed(before ?? "{}", path, change);
      if (!(await mine.holds())) throw locked(file);
      await replace(file, text);
    } finally {
      await mine.release();
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

function locked(file: string): Failure {
  return new Failure("busy", "this machine", `another command edits ${file}`, {
    reason: "builder-file-locked",
    fix: "run the same command again",
  });
}
