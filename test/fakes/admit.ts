import { createHash } from "node:crypto";
import { Failure } from "../../src/lib/failure.ts";
import { provingHash } from "../../src/nix/content-address.ts";
import { FormatError } from "../../src/nix/format-error.ts";
import { sha256 } from "../../src/nix/hash.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import { type PublicKey, signerOf } from "../../src/nix/signing-key.ts";
import type { StorePath } from "../../src/nix/store-path.ts";

/** Checks what a daemon checks before it registers a path. */
export function admit(
  info: PathInfo,
  nar: Uint8Array,
  rules: { isValid(path: StorePath): boolean; needsProof: boolean; trustedKeys: readonly PublicKey[] },
): void {
  if (sha256(nar) !== info.narHash) throw refused(`hash mismatch importing path '${info.path}'`);
  if (nar.length !== info.narSize) throw refused(`size mismatch importing path '${info.path}'`);
  if (rules.needsProof && !proven(info, nar) && !signerOf(info, rules.trustedKeys)) {
    throw refused(`cannot add path '${info.path}' because it lacks a valid signature`);
  }
  for (const reference of info.references) {
    if (reference !== info.path && !rules.isValid(reference)) throw refused(`path '${reference}' is not valid`);
  }
}

/** An answer of Nix that is an error. */
export function refused(message: string, reason = "refused"): Failure {
  return new Failure("failed", "nix", message, { reason });
}

function proven(info: PathInfo, nar: Uint8Array): boolean {
  const required = requiredHash(info);
  if (!required) return false;
  const bytes = required.over === "nar" ? nar : contentOf(nar);
  if (createHash(required.hash.algorithm).update(bytes).digest("hex") === required.hash.hex) return true;
  throw refused(`ca hash mismatch importing path '${info.path}'`);
}

/** A claim from which the path does not follow is no claim, for Nix. */
function requiredHash(info: PathInfo): ReturnType<typeof provingHash> {
  try {
    return provingHash(info);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** The content of the NAR of one file that is not executable: its length is at 88. */
function contentOf(nar: Uint8Array): Uint8Array {
  const length = Number(Buffer.from(nar).readBigUInt64LE(88));
  return nar.subarray(96, 96 + length);
}
