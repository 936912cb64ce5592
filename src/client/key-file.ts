import { randomBytes } from "node:crypto";
import { link, mkdir, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { Failure } from "../lib/failure.ts";

/** A secret of 32 bytes as it was found or made. */
export interface KeyFile {
  readonly seed: Uint8Array;
  /** Where it is, or `undefined` if it lives in memory only. */
  readonly file: string | undefined;
  readonly created: boolean;
}

const MAX_FILE = 1024;

/** Reads a key file, or makes it. Only a file that cannot be written for lack of permission or room leaves the key in memory. */
export async function readOrMakeKey(file: string): Promise<KeyFile> {
  const found = await readKey(file);
  if (found !== undefined) return { seed: found, file, created: false };
  const seed = randomBytes(32);
  try {
    await writeNew(file, `${seed.toString("hex")}\n`);
    return { seed, file, created: true };
  } catch (error) {
    const code = errorCode(error);
    // Somebody else made it in the same moment: then that one counts.
    if (code === "EEXIST") return readOrMakeKey(file);
    if (code !== undefined && UNWRITABLE.has(code)) return { seed, file: undefined, created: true };
    throw cannot("make", file, error);
  }
}

const UNWRITABLE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR"]);

async function readKey(file: string): Promise<Uint8Array | undefined> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, "r");
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw cannot("read", file, error);
  }
  try {
    const { mode, size } = await handle.stat();
    if ((mode & 0o077) !== 0) throw tooOpen(file, mode);
    if (size > MAX_FILE) throw notAKey(file);
    return parseKey(await handle.readFile(), file);
  } finally {
    await handle.close();
  }
}

/** 64 hex digits with white space around, or 32 raw bytes as an earlier program wrote them. */
function parseKey(content: Buffer, file: string): Uint8Array {
  if (content.length === 32) return Uint8Array.from(content);
  const text = content.toString("latin1").trim();
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw notAKey(file);
  return Uint8Array.from(Buffer.from(text, "hex"));
}

/** Written beside and linked into place, so that nobody ever reads half of it and none is replaced. */
async function writeNew(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const beside = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const handle = await open(beside, "wx", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
    await link(beside, file);
  } finally {
    await handle.close();
    await unlink(beside);
  }
}

function tooOpen(file: string, mode: number): Failure {
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  return new Failure("failed", "this machine", `the key file ${file} is open to others (mode ${shown})`, {
    reason: "key-file-open",
    fix: `chmod 600 ${file}`,
  });
}

function notAKey(file: string): Failure {
  return new Failure("failed", "this machine", `${file} is not a key of drv-thru: expected 64 hex digits`, {
    reason: "key-file-malformed",
    fix: "move it away; a new key is made on the next use (its id must be allowed again by builders that know the old one)",
  });
}

function cannot(verb: string, file: string, cause: unknown): Failure {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Failure("failed", "this machine", `cannot ${verb} the key file ${file}: ${why}`, {
    reason: "key-file",
    cause,
  });
}

/** The `code` of an error of Node's file functions. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
