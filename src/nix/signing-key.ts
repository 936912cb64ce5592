import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { fingerprint } from "./fingerprint.ts";
import { FormatError, quoted } from "./format-error.ts";
import type { PathInfo } from "./path-info.ts";

/**
 * Secret key: `NAME:base64(seed ‖ public)`, 32 bytes each. Public key: `NAME:base64(public)`. Signature: `NAME:base64(64 bytes)`.
 * Ed25519 by node:crypto: some fifteen times faster here than @noble/curves, and a closure has thousands of signatures.
 */

/** A key whose signatures can be checked. */
export interface PublicKey {
  readonly name: string;
  /** The 32 bytes. */
  readonly bytes: Uint8Array;
  readonly key: KeyObject;
}

/** A key that signs. */
export interface SecretKey {
  readonly name: string;
  readonly public: PublicKey;
  readonly key: KeyObject;
}

/** Longest name of a key in characters. */
export const MAX_KEY_NAME = 255;

const NAME = /^[!-9;-~]{1,255}$/;
const PKCS8_SEED = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PUBLIC = Buffer.from("302a300506032b6570032100", "hex");

/** Makes a key pair. The name is 1 to {@link MAX_KEY_NAME} printable ASCII characters without space or colon, such as `builder-1`. */
export function generateSecretKey(name: string): SecretKey {
  if (!NAME.test(name)) throw new FormatError(`${quoted(name)} cannot be the name of a signing key`);
  const pair = generateKeyPairSync("ed25519");
  return { name, public: publicFrom(name, rawPublic(pair.publicKey)), key: pair.privateKey };
}

/** Reads a secret key. The error does not repeat it. */
export function parseSecretKey(text: string): SecretKey {
  const parts = splitKey(text.trim(), 64);
  if (parts === undefined) {
    throw new FormatError("this is not a Nix secret signing key: expected NAME:BASE64 of 64 bytes", {
      fix: "nix-store --generate-binary-cache-key NAME SECRET-FILE PUBLIC-FILE",
    });
  }
  const der = Buffer.concat([PKCS8_SEED, parts.bytes.subarray(0, 32)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const own = publicFrom(parts.name, rawPublic(createPublicKey(key)));
  if (!parts.bytes.subarray(32).equals(own.bytes)) {
    throw new FormatError(`the two halves of the secret signing key ${quoted(parts.name)} do not belong together`);
  }
  return { name: parts.name, public: own, key };
}

/** Reads a public key. */
export function parsePublicKey(text: string): PublicKey {
  const parts = splitKey(text.trim(), 32);
  if (parts === undefined) {
    throw new FormatError(`${beginning(text)} is not a Nix public signing key: expected NAME:BASE64 of 32 bytes`);
  }
  return publicFrom(parts.name, parts.bytes);
}

/** What may be repeated of a text that is no public key, for it may be a secret one: its name, or enough of it to find it again. */
function beginning(text: string): string {
  const colon = text.indexOf(":");
  return quoted(colon < 0 && text.length > NAME_ALONE ? `${text.slice(0, 8)}...` : text.replace(/:.*$/s, ":..."));
}

/** Characters up to which a text without a colon is taken for a name that lacks its key, and repeated whole. */
const NAME_ALONE = 16;

/** A secret key as a key file holds it. */
export function formatSecretKey(key: SecretKey): string {
  const der = key.key.export({ format: "der", type: "pkcs8" });
  return `${key.name}:${Buffer.concat([der.subarray(-32), key.public.bytes]).toString("base64")}`;
}

/** A public key as it stands in `trusted-public-keys`. */
export function formatPublicKey(key: PublicKey): string {
  return `${key.name}:${Buffer.from(key.bytes).toString("base64")}`;
}

/** The signature of a path, for its `Sig` field. */
export function signPath(info: PathInfo, key: SecretKey): string {
  const signature = signBytes(null, Buffer.from(fingerprint(info)), key.key);
  return `${key.name}:${signature.toString("base64")}`;
}

/** The first of these keys that has truly signed the path, or `undefined`. Signatures of other names cost nothing. */
export function signerOf(info: PathInfo, keys: readonly PublicKey[]): PublicKey | undefined {
  let signed: Buffer | undefined;
  for (const text of info.signatures) {
    const name = text.slice(0, Math.max(text.indexOf(":"), 0));
    for (const key of keys.filter(key => key.name === name)) {
      const signature = splitKey(text, 64);
      signed ??= Buffer.from(fingerprint(info));
      if (signature && verifyBytes(null, signed, key.key, signature.bytes)) return key;
    }
  }
  return undefined;
}

/** Whether a text has the form of a signature. */
export function isSignature(text: string): boolean {
  return splitKey(text, 64) !== undefined;
}

function splitKey(text: string, length: number): { name: string; bytes: Buffer } | undefined {
  if (text.length > MAX_KEY_NAME + 1 + 88) return undefined;
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(colon, 0));
  const encoded = text.slice(colon + 1);
  const bytes = Buffer.from(encoded, "base64");
  const right = NAME.test(name) && bytes.length === length && bytes.toString("base64") === encoded;
  return right ? { name, bytes } : undefined;
}

function publicFrom(name: string, bytes: Uint8Array): PublicKey {
  const key = createPublicKey({ key: Buffer.concat([SPKI_PUBLIC, bytes]), format: "der", type: "spki" });
  return { name, bytes: Uint8Array.from(bytes), key };
}

function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" }).subarray(SPKI_PUBLIC.length);
}
