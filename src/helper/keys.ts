import { open } from "node:fs/promises";
import { Failure } from "../lib/failure.ts";
import { whyOf } from "../lib/system-error.ts";
import { formatPublicKey, type PublicKey, parsePublicKey } from "../nix/signing-key.ts";
import { checkOwners } from "./owners.ts";

/** The keys whose signatures the helper takes, by their whole text: a name can be used again. */
export type AllowedKeys = ReadonlyMap<string, PublicKey>;

/** Longest key file in bytes: some 3,000 keys. */
const MAX_FILE = 256 << 10;

/** Reads the file of allowed keys. Throws a {@link Failure} with the number of the first bad line, or where another than root could have written it. */
export async function readAllowedKeys(file: string): Promise<AllowedKeys> {
  try {
    await checkOwners(file);
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      if (size > MAX_FILE) throw new Error(`it has ${size} bytes, at most ${MAX_FILE} are read`);
      return parseAllowedKeys(await handle.readFile("utf8"), file);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("failed", "this machine", `cannot read the allowed keys in ${file}: ${whyOf(error)}`, {
      reason: "key-file",
      fix: `write a file with one public key a line, as NAME:BASE64, and pass it: --trusted-public-key-file FILE`,
      cause: error,
    });
  }
}

/** One `name:base64` a line; blank lines, and lines that begin with `#`, say nothing. */
export function parseAllowedKeys(text: string, file: string): AllowedKeys {
  const keys = new Map<string, PublicKey>();
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    try {
      const key = parsePublicKey(trimmed);
      keys.set(formatPublicKey(key), key);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Failure("usage", "this machine", `${file}, line ${index + 1}: ${why}`, {
        reason: "key-file-malformed",
        fix: "one public key a line, as NAME:BASE64; the builder's owner finds it in signing-public.key",
        cause,
      });
    }
  }
  return keys;
}
