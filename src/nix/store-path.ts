import { hash as hashOf } from "node:crypto";
import { encodeBase32 } from "./base32.ts";
import { type Hash, sha256 } from "./hash.ts";

/**
 * A path is `/nix/store/DIGEST-NAME`. DIGEST is the base32 of the SHA-256 of `TYPE:sha256:INNER:/nix/store:NAME`, folded to 20 bytes by XOR.
 * TYPE and INNER (hex) say what the path holds:
 * - `text[:REF]*`: a text with references, INNER is the SHA-256 of the text;
 * - `source[:REF]*[:self]`: a tree whose NAR has the SHA-256 INNER (with a self reference: the hash modulo itself);
 * - `output:out`: all other fixed contents, INNER is the SHA-256 of `fixed:out:[r:]ALGO:HEX:`.
 * References are full paths in ascending order.
 */

/** A full store path: `/nix/store/<32 characters>-<name>`. Made by {@link parseStorePath} alone. */
export type StorePath = string & { readonly __path: "store" };

/** The only store folder: digests depend on it. */
export const STORE_DIR = "/nix/store";

/** Longest name in characters. */
export const MAX_NAME = 211;

const DIR_LENGTH = STORE_DIR.length + 1;
const DIGEST_LENGTH = 32;
const GRAMMAR = /^\/nix\/store\/[0-9abcdfghijklmnpqrsvwxyz]{32}-(?!\.{1,2}(?:-|$))[0-9A-Za-z+\-._?=]{1,211}$/;

/** The store path that a text spells exactly, or `undefined`. */
export function parseStorePath(text: string): StorePath | undefined {
  // The `m`-less `$` of JavaScript matches at the very end alone, so no line feed slips in.
  return GRAMMAR.test(text) ? (text as StorePath) : undefined;
}

/** The store path of a base name such as narinfos and realisations hold, or `undefined`. */
export function parseBaseName(text: string): StorePath | undefined {
  return parseStorePath(`${STORE_DIR}/${text}`);
}

/** `DIGEST-NAME` of a path. */
export function baseName(path: StorePath): string {
  return path.slice(DIR_LENGTH);
}

/** The 32 characters of the digest. */
export function hashPart(path: StorePath): string {
  return path.slice(DIR_LENGTH, DIR_LENGTH + DIGEST_LENGTH);
}

/** What follows the digest. */
export function nameOf(path: StorePath): string {
  return path.slice(DIR_LENGTH + DIGEST_LENGTH + 1);
}

/** Whether the path names a derivation. */
export function isDerivationPath(path: StorePath): boolean {
  return path.endsWith(".drv");
}

/** Paths in Nix's order without doubles. */
export function sortedPaths(paths: Iterable<StorePath>): StorePath[] {
  return [...new Set(paths)].sort();
}

/** The path of this type, inner hash (hex) and name, or `undefined` if the name cannot stand in a path. */
export function makeStorePath(type: string, inner: string, name: string): StorePath | undefined {
  const digest = hashOf("sha256", `${type}:sha256:${inner}:${STORE_DIR}:${name}`, "buffer");
  const folded = new Uint8Array(20);
  for (const [i, byte] of digest.entries()) folded[i % 20] = (folded[i % 20] ?? 0) ^ byte;
  return parseStorePath(`${STORE_DIR}/${encodeBase32(folded)}-${name}`);
}

/** What a path refers to: other paths, and whether itself. */
export interface References {
  readonly others: readonly StorePath[];
  readonly self: boolean;
}

/** No references. */
const NO_REFERENCES: References = { others: [], self: false };

/** The references of a path as they go into the making of its name. */
export function splitReferences(path: StorePath, references: readonly StorePath[]): References {
  return { others: sortedPaths(references.filter(ref => ref !== path)), self: references.includes(path) };
}

/** The path of a text, such as a `.drv` file, from the SHA-256 of its content. */
export function makeTextPath(name: string, contentHash: Hash, references: References = NO_REFERENCES) {
  if (contentHash.algorithm !== "sha256" || references.self) return undefined;
  return makeStorePath(withReferences("text", references), contentHash.hex, name);
}

/** The path of fixed content: `flat` with the hash of a file's bytes, `nar` with that of the NAR. `undefined` where no such path can be. */
export function makeFixedPath(
  name: string,
  method: "flat" | "nar",
  hash: Hash,
  references: References = NO_REFERENCES,
) {
  if (method === "nar" && hash.algorithm === "sha256") {
    return makeStorePath(withReferences("source", references), hash.hex, name);
  }
  if (references.self || references.others.length > 0) return undefined;
  const prefix = method === "nar" ? "r:" : "";
  return makeStorePath("output:out", sha256(`fixed:out:${prefix}${hash.algorithm}:${hash.hex}:`), name);
}

function withReferences(type: string, { others, self }: References): string {
  return [type, ...sortedPaths(others), ...(self ? ["self"] : [])].join(":");
}
