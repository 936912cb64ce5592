import { Failure } from "../../lib/failure.ts";
import type { RequiredHash } from "../content-address.ts";
import { createHasher, formatHash, type Hash, type Hasher } from "../hash.ts";
import type { PathInfo } from "../path-info.ts";
import { hashPart } from "../store-path.ts";
import { createModuloHasher } from "./modulo.ts";
import { NarParser } from "./reader.ts";
import { SingleFileParser } from "./single-file.ts";

/**
 * Passes a NAR on and checks on the way that it is one, that it has the length and the hash of the info, and where `proof` is given (see
 * `provingHash`) that it has that hash too. Throws a `FormatError` as soon as the bytes cannot be right, or at their end a `Failure` with code `hash-mismatch`.
 */
export async function* checkedNar(
  info: PathInfo,
  nar: AsyncIterable<Uint8Array>,
  proof?: RequiredHash,
): AsyncGenerator<Uint8Array, void, void> {
  const whole = createHasher("sha256");
  const content = proof && !isNarHash(info, proof) ? createProofHasher(info, proof) : undefined;
  const parser = proof?.over === "content" ? new SingleFileParser() : new NarParser();
  for await (const chunk of nar) {
    whole.update(chunk);
    if (whole.size > info.narSize) throw mismatch(info, `is longer than the ${info.narSize} bytes announced`);
    if (proof?.over === "nar") content?.update(chunk);
    for (const part of parser.push(chunk)) if (part instanceof Uint8Array) content?.update(part);
    yield chunk;
  }
  parser.end();
  if (whole.size !== info.narSize) throw mismatch(info, `has ${whole.size} bytes, not the ${info.narSize} announced`);
  compare(info, "archive", whole.digest(), { algorithm: "sha256", hex: info.narHash });
  if (content && proof) compare(info, "content", content.digest(), proof.hash);
}

/** Whether the hash of the whole archive proves it already, as with almost every source: then nothing is hashed twice. */
function isNarHash(info: PathInfo, { over, hash }: RequiredHash): boolean {
  return over === "nar" && hash.algorithm === "sha256" && hash.hex === info.narHash;
}

function createProofHasher(info: PathInfo, { over, hash }: RequiredHash): Hasher {
  return over === "content" ? createHasher(hash.algorithm) : createModuloHasher(hash.algorithm, hashPart(info.path));
}

function compare(info: PathInfo, what: string, found: Hash, expected: Hash): void {
  if (found.hex === expected.hex) return;
  throw mismatch(info, `has ${what} hash ${formatHash(found, "sri")}, not ${formatHash(expected, "sri")}`);
}

function mismatch(info: PathInfo, what: string): Failure {
  return new Failure("hash-mismatch", "this machine", `${info.path} ${what}`);
}
