import { type Derivation, MAX_DERIVATION, parseDerivation } from "../../nix/derivation.ts";
import { FormatError } from "../../nix/format-error.ts";
import { createHasher, type Hasher } from "../../nix/hash.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { isDerivationPath } from "../../nix/store-path.ts";
import { checkDerivation, corrupt, type PathProof } from "../admission.ts";
import { SingleFile } from "./single-file.ts";

/**
 * The bytes of a NAR as they came, checked against its info: the NAR hash, the hash of its content address, and what a derivation names. The last
 * piece is held back until all of that is right, so that whoever reads on never has the whole of a wrong NAR. Throws a refusal.
 */
export async function* provenNar(
  info: PathInfo,
  proof: PathProof,
  nar: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const checks = checksOf(info, proof);
  let held: Uint8Array | undefined;
  for await (const piece of nar) {
    for (const check of checks) check.update(piece);
    if (held !== undefined) yield held;
    held = piece;
  }
  for (const check of checks) check.finish();
  if (held !== undefined) yield held;
}

interface ByteCheck {
  update(piece: Uint8Array): void;
  finish(): void;
}

function checksOf(info: PathInfo, proof: PathProof): ByteCheck[] {
  const checks = [hashCheck(info, createHasher("sha256"), info.narHash, "the NAR has another hash")];
  const required = proof.by === "content" ? proof.required : undefined;
  if (required?.over === "nar" && required.hash.algorithm !== "sha256") {
    checks.push(
      hashCheck(info, createHasher(required.hash.algorithm), required.hash.hex, "its content has another hash"),
    );
  }
  if (required?.over === "content") {
    const content = createHasher(required.hash.algorithm);
    checks.push(
      fileCheck(info, content),
      hashCheck(info, content, required.hash.hex, "its content has another hash", true),
    );
  }
  if (isDerivationPath(info.path)) checks.push(derivationCheck(info));
  return checks;
}

function hashCheck(info: PathInfo, hasher: Hasher, expected: string, wrong: string, fed = false): ByteCheck {
  return {
    update: piece => (fed ? undefined : hasher.update(piece)),
    finish: () => {
      if (hasher.digest().hex !== expected) throw corrupt(info.path, wrong);
    },
  };
}

function fileCheck(info: PathInfo, content: Pick<Hasher, "update">): ByteCheck {
  const file = new SingleFile(info.narSize, piece => content.update(piece));
  const check = (right: boolean) => {
    if (!right) throw corrupt(info.path, "it is not the NAR of one plain file");
  };
  return { update: piece => check(file.update(piece)), finish: () => check(file.complete) };
}

function derivationCheck(info: PathInfo): ByteCheck {
  if (info.narSize > MAX_DERIVATION) throw corrupt(info.path, "a derivation of that size is not read");
  const pieces: Uint8Array[] = [];
  const file = fileCheck(info, { update: piece => pieces.push(Uint8Array.from(piece)) });
  return {
    update: file.update,
    finish: () => {
      file.finish();
      checkDerivation(info, parsed(info, Buffer.concat(pieces)));
    },
  };
}

function parsed(info: PathInfo, text: Uint8Array): Derivation {
  try {
    return parseDerivation(text);
  } catch (error) {
    if (error instanceof FormatError) throw corrupt(info.path, error.message);
    throw error;
  }
}
