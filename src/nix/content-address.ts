import { FormatError, quoted } from "./format-error.ts";
import { formatHash, HASH_LENGTH, type Hash, parseDigest, parseHashAlgorithm } from "./hash.ts";
import type { PathInfo } from "./path-info.ts";
import { makeFixedPath, makeTextPath, nameOf, type References, type StorePath, splitReferences } from "./store-path.ts";

/**
 * `text:ALGO:NIX32` | `fixed:ALGO:NIX32` | `fixed:r:ALGO:NIX32` | `fixed:git:ALGO:NIX32`.
 * Nix takes digests in hex too when it reads; what it writes is base32, and only that is taken here, so that one value has one text.
 */

/** How a content address was taken: of a text with references, of a file's bytes, of the NAR, of a git tree, or in a way this program does not know. */
export type ContentAddress =
  | { readonly method: "text" | "flat" | "nar" | "git"; readonly hash: Hash }
  | { readonly method: "unknown"; readonly text: string };

/** Longest `ca` in characters. */
export const MAX_CONTENT_ADDRESS = 200;

const METHOD = { "text:": "text", "fixed:": "flat", "fixed:r:": "nar", "fixed:git:": "git" } as const;
const PREFIX = { text: "text:", flat: "fixed:", nar: "fixed:r:", git: "fixed:git:" } as const;

/** What a `ca` says. Never throws: all that is not understood is `unknown`. */
export function parseContentAddress(text: string): ContentAddress {
  const unknown = { method: "unknown", text } as const;
  const match = /^(text:|fixed:(?:r:|git:)?)([a-z0-9]+):([0-9a-z]+)$/.exec(text.slice(0, MAX_CONTENT_ADDRESS + 1));
  const [, prefix, algorithmName, digest] = match ?? [];
  const algorithm = parseHashAlgorithm(algorithmName ?? "");
  if (prefix === undefined || algorithm === undefined || digest === undefined) return unknown;
  const hex = digest.length === HASH_LENGTH[algorithm] * 2 ? undefined : parseDigest(algorithm, digest);
  return hex === undefined ? unknown : { method: METHOD[prefix as keyof typeof METHOD], hash: { algorithm, hex } };
}

/** A content address as Nix prints it. */
export function formatContentAddress(ca: ContentAddress): string {
  return ca.method === "unknown" ? ca.text : PREFIX[ca.method] + formatHash(ca.hash, "nix32");
}

/** The store path that follows from a content address, or `undefined` if none does (git, unknown, references that this method cannot have, a bad name). */
export function contentAddressedPath(ca: ContentAddress, name: string, references: References): StorePath | undefined {
  if (ca.method === "text") return makeTextPath(name, ca.hash, references);
  if (ca.method === "flat" || ca.method === "nar") return makeFixedPath(name, ca.method, ca.hash, references);
  return undefined;
}

/** A hash that must be found in the bytes. `content`: of the one file; `nar`: of the NAR, in which the path's own digest counts as zeros. */
export interface RequiredHash {
  readonly over: "content" | "nar";
  readonly hash: Hash;
}

/** Which bytes a content address speaks of, or `undefined` where that cannot be checked here. */
export function requiredHash(ca: ContentAddress): RequiredHash | undefined {
  if (ca.method === "text" || ca.method === "flat") return { over: "content", hash: ca.hash };
  return ca.method === "nar" ? { over: "nar", hash: ca.hash } : undefined;
}

/**
 * The hash that proves a path by its content: its `ca` leads to this very path and name, and the returned hash must then be found in the bytes.
 * `undefined` if the info has no `ca`. Throws {@link FormatError} if the claim is of a kind that proves nothing here, or leads to another path.
 */
export function provingHash(info: PathInfo): RequiredHash | undefined {
  if (info.ca === undefined) return undefined;
  const ca = parseContentAddress(info.ca);
  const required = requiredHash(ca);
  if (required === undefined) {
    throw new FormatError(`${info.path} has a content address of an unknown kind: ${quoted(info.ca)}`);
  }
  const path = contentAddressedPath(ca, nameOf(info.path), splitReferences(info.path, info.references));
  if (path !== info.path) {
    throw new FormatError(`${info.path} does not follow from its content address ${quoted(info.ca)}`);
  }
  return required;
}
