import { HELPER_LIMITS, type HelperRefusal } from "../lib/helper-protocol.ts";
import { FormatError, quoted } from "../nix/format-error.ts";
import { formatPublicKey, type PublicKey, parsePublicKey } from "../nix/signing-key.ts";
import { isDerivationPath, parseStorePath, type StorePath } from "../nix/store-path.ts";
import type { AllowedKeys } from "./keys.ts";

/** A question as it passed every check. */
export type CheckedQuestion =
  | { readonly ask: "key"; readonly key: PublicKey }
  | {
      readonly ask: "import";
      readonly key: PublicKey;
      readonly url: string;
      /** Each once. */
      readonly paths: readonly StorePath[];
    };

/** A question that is not answered with yes. */
export class Refused extends Error {
  override name = "Refused";
  readonly reason: HelperRefusal;
  /** The key's name, where it has one that may be written down. */
  readonly keyName: string | undefined;

  constructor(reason: HelperRefusal, message: string, keyName?: string) {
    super(message);
    this.reason = reason;
    this.keyName = keyName;
  }
}

/** Loopback by number alone: a name could be made to mean another host. One part of a path, which nobody can guess. */
const URL_FORM = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4})(?:\/[A-Za-z0-9_-]{1,128})?\/?$/;

/** Checks what was asked, form first and then the key. Throws {@link Refused}. */
export function checkQuestion(line: string, allowed: AllowedKeys): CheckedQuestion {
  const { ask, key: keyText, url, paths, ...more } = parseObject(line);
  const [strange] = Object.keys(more);
  if (strange !== undefined) throw malformed(`the field ${quoted(strange)} is unknown`);
  if (ask !== "key" && ask !== "import") throw malformed('"ask" is neither "key" nor "import"');
  const key = parseKey(keyText);
  if (ask === "key") {
    if (url !== undefined || paths !== undefined) throw malformed('a question about a key has only "key"');
    return { ask, key: allow(key, allowed) };
  }
  const checked = { url: parseUrl(url), paths: parsePaths(paths) };
  return { ask, ...checked, key: allow(key, allowed) };
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // What is wrong with it in detail helps nobody: our own client writes no such line.
    throw malformed("it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed("it is not a JSON object");
  return { ...value };
}

function parseKey(value: unknown): PublicKey {
  if (typeof value !== "string") throw malformed('"key" is not a text');
  try {
    return parsePublicKey(value);
  } catch (error) {
    if (error instanceof FormatError) throw malformed(error.message);
    throw error;
  }
}

function parseUrl(value: unknown): string {
  const [, port = ""] = typeof value === "string" ? (URL_FORM.exec(value) ?? []) : [];
  if (typeof value === "string" && port !== "" && Number(port) <= 65_535) return value.replace(/\/$/, "");
  const shown = typeof value === "string" ? quoted(value) : "the url";
  throw malformed(`${shown} is not http://127.0.0.1:PORT/NAME or http://[::1]:PORT/NAME`);
}

function parsePaths(value: unknown): readonly StorePath[] {
  if (!Array.isArray(value) || value.length === 0) throw malformed("it names no paths");
  if (value.length > HELPER_LIMITS.paths) {
    throw malformed(`it names ${value.length} paths, at most ${HELPER_LIMITS.paths} are possible`);
  }
  return [...new Set(value.map(parsePath))];
}

function parsePath(value: unknown): StorePath {
  const path = typeof value === "string" ? parseStorePath(value) : undefined;
  if (path === undefined)
    throw malformed(`${typeof value === "string" ? quoted(value) : "a path"} is not a store path`);
  // To `nix copy` such a path means what it builds. Nobody needs a helper to add one: it proves itself.
  if (isDerivationPath(path)) throw malformed(`${path} is a derivation`);
  return path;
}

function allow(key: PublicKey, allowed: AllowedKeys): PublicKey {
  const text = formatPublicKey(key);
  const found = allowed.get(text);
  if (found === undefined) {
    throw new Refused("key-not-allowed", `the import helper of this machine does not take the key ${text}`, key.name);
  }
  return found;
}

function malformed(what: string): Refused {
  return new Refused("malformed", `the import helper was asked something malformed: ${what}`);
}
