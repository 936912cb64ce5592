import { randomBytes } from "node:crypto";
import { decodeBase32 } from "./base32.ts";
import { Failure } from "./failure.ts";
import { cannot, readSecretFile, writeSecretFile } from "./secret-file.ts";
import { errorCode } from "./system-error.ts";

/** A secret of 32 bytes as it was found or made. */
export interface KeyFile {
  readonly seed: Uint8Array;
  /** Where it is, or `undefined` if it lives in memory only. */
  readonly file: string | undefined;
  readonly created: boolean;
}

/** Reads a key file, or makes it. Only a file that cannot be written for lack of permission or room leaves the key in memory. */
export async function readOrMakeKey(file: string): Promise<KeyFile> {
  const found = await readSecretFile(file);
  if (found !== undefined) return { seed: parseKey(found, file), file, created: false };
  const seed = randomBytes(32);
  try {
    await writeSecretFile(file, `${seed.toString("hex")}\n`);
    return { seed: Uint8Array.from(seed), file, created: true };
  } catch (error) {
    const code = errorCode(error);
    // Somebody else made it in the same moment: then that one counts.
    const theirs = code === "EEXIST" ? await readSecretFile(file) : undefined;
    if (theirs !== undefined) return { seed: parseKey(theirs, file), file, created: false };
    if (code !== undefined && UNWRITABLE.has(code))
      return { seed: Uint8Array.from(seed), file: undefined, created: true };
    throw cannot("make", file, error);
  }
}

const UNWRITABLE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR"]);

/** 64 hex digits with white space around; or as an earlier program knew it, 32 raw bytes or base32. */
function parseKey(content: Buffer, file: string): Uint8Array {
  if (content.length === 32) return Uint8Array.from(content);
  const text = content.toString("latin1").trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Uint8Array.from(Buffer.from(text, "hex"));
  const bytes = decodeBase32(text.toLowerCase());
  if (bytes?.length === 32) return bytes;
  throw new Failure("failed", "this machine", `${file} is not a key of drv-thru: expected 64 hex digits`, {
    reason: "key-file-malformed",
    fix: "move it away; a new key is made on the next use (its id must be allowed again by builders that know the old one)",
  });
}
