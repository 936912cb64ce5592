import { createHash } from "node:crypto";
import { base32Length, decodeBase32, encodeBase32 } from "./base32.ts";

/** SHA-256 as 64 lower-case hex digits. */
export type Sha256 = string & { readonly __hash: "sha256" };

/** The hash algorithms that Nix's content addresses use, with the length of their digests in bytes. */
export const HASH_LENGTH = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const;

/** One of the hash algorithms that Nix's content addresses use. */
export type HashAlgorithm = keyof typeof HASH_LENGTH;

/** A digest with its algorithm. */
export interface Hash {
  readonly algorithm: HashAlgorithm;
  /** Lower case. */
  readonly hex: string;
}

/** How a hash is written: `algo:hex`, `algo:` in Nix's base32, or `algo-base64` (SRI). */
export type HashForm = "hex" | "nix32" | "sri";

/** The algorithm of that name, or `undefined`. */
export function parseHashAlgorithm(text: string): HashAlgorithm | undefined {
  return Object.hasOwn(HASH_LENGTH, text) ? (text as HashAlgorithm) : undefined;
}

/** The hash that a text spells: `algo:hex`, `algo:nix32` or SRI `algo-base64`. `undefined` for all else, also for a digest of another length. */
export function parseHash(text: string): Hash | undefined {
  const mark = text.search(/[:-]/);
  const algorithm = parseHashAlgorithm(text.slice(0, Math.max(mark, 0)));
  if (algorithm === undefined) return undefined;
  const digest = text.slice(mark + 1);
  const hex = text[mark] === "-" ? hexOfBase64(digest, HASH_LENGTH[algorithm]) : parseDigest(algorithm, digest);
  return hex === undefined ? undefined : { algorithm, hex };
}

/** The hex digits of a digest in hex or Nix's base32, or `undefined`. */
export function parseDigest(algorithm: HashAlgorithm, digest: string): string | undefined {
  const length = HASH_LENGTH[algorithm];
  if (digest.length === length * 2) return /^[0-9a-f]*$/.test(digest) ? digest : undefined;
  if (digest.length !== base32Length(length)) return undefined;
  const bytes = decodeBase32(digest, length);
  return bytes && Buffer.from(bytes).toString("hex");
}

function hexOfBase64(digest: string, length: number): string | undefined {
  if (digest.length !== Math.ceil(length / 3) * 4) return undefined;
  const bytes = Buffer.from(digest, "base64");
  // Node takes almost any text for base64: only what it would write itself is right.
  return bytes.length === length && bytes.toString("base64") === digest ? bytes.toString("hex") : undefined;
}

/** A hash as text. */
export function formatHash(hash: Hash, form: HashForm): string {
  if (form === "hex") return `${hash.algorithm}:${hash.hex}`;
  const bytes = Buffer.from(hash.hex, "hex");
  return form === "sri" ? `${hash.algorithm}-${bytes.toString("base64")}` : `${hash.algorithm}:${encodeBase32(bytes)}`;
}

/** The SHA-256 that a text spells: 64 hex digits as the daemon sends it, or any form of {@link parseHash}. */
export function parseSha256(text: string): Sha256 | undefined {
  if (/^[0-9a-f]{64}$/.test(text)) return text as Sha256;
  const hash = parseHash(text);
  return hash?.algorithm === "sha256" ? (hash.hex as Sha256) : undefined;
}

/** A SHA-256 as text. */
export function formatSha256(hash: Sha256, form: HashForm): string {
  return formatHash({ algorithm: "sha256", hex: hash }, form);
}

/** The SHA-256 of 32 bytes of digest, or `undefined` for any other length. */
export function sha256FromBytes(digest: Uint8Array): Sha256 | undefined {
  return digest.length === 32 ? parseSha256(Buffer.from(digest).toString("hex")) : undefined;
}

/** The 32 bytes of a SHA-256. */
export function sha256ToBytes(hash: Sha256): Uint8Array {
  return Uint8Array.from(Buffer.from(hash, "hex"));
}

/** The SHA-256 of bytes, or of a text in UTF-8. */
export function sha256(data: Uint8Array | string): Sha256 {
  return createHash("sha256").update(data).digest("hex") as Sha256;
}

/** Hashes bytes as they pass. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** How many bytes there were so far. */
  readonly size: number;
  /** Ends the hashing; once. */
  digest(): Hash;
}

/** A hasher of that algorithm. */
export function createHasher(algorithm: HashAlgorithm): Hasher {
  const hash = createHash(algorithm);
  let size = 0;
  return {
    update: bytes => {
      hash.update(bytes);
      size += bytes.length;
    },
    get size() {
      return size;
    },
    digest: () => ({ algorithm, hex: hash.digest("hex") }),
  };
}
