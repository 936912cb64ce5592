import { Failure } from "../../lib/failure.ts";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import { provingHash } from "../../nix/content-address.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { formatPublicKey, type PublicKey, signerOf } from "../../nix/signing-key.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Services } from "../connection/services.ts";
import { malformed } from "../wire.ts";
import { infoFromWire } from "./path-info.ts";
import { guardStall } from "./stall.ts";

/** What decides about paths that a builder offers. */
export interface ClosureRules {
  /** Every path that may come back. */
  readonly expected: ReadonlySet<StorePath>;
  /** The key decided beforehand. */
  readonly key: PublicKey;
}

/** The infos of an output's closure, references first, each one expected here. Nothing is fetched before all of them were seen. */
export async function readClosure(
  cache: Services["cache"],
  build: BuildId,
  output: StorePath,
  { expected }: ClosureRules,
  signal: AbortSignal,
): Promise<PathInfo[]> {
  using guard = guardStall(`asking what ${output} needs`, signal);
  const found = new Map<StorePath, PathInfo>();
  for await (const { infos } of cache.closure({ buildId: idToBytes(build), output }, { signal: guard.signal })) {
    guard.moved();
    for (const info of infos.map(infoFromWire)) {
      const stranger = [info.path, ...info.references].find(path => !expected.has(path));
      if (stranger !== undefined) throw foreign(output, stranger);
      if (found.has(info.path)) throw malformed(`${info.path} twice`);
      const ahead = info.references.find(ref => ref !== info.path && !found.has(ref));
      if (ahead !== undefined) throw malformed(`${info.path} before ${ahead}, which it refers to`);
      found.set(info.path, info);
    }
  }
  if (!found.has(output)) throw malformed(`a closure of ${output} without itself`);
  return [...found.values()];
}

/** Throws unless the decided key signed the path, or its name follows from its content. */
export function checkProof(info: PathInfo, { key }: Pick<ClosureRules, "key">): void {
  if (signerOf(info, [key]) !== undefined || provesItself(info)) return;
  const message = `${info.path} is not signed by the builder's key ${formatPublicKey(key)}`;
  throw new Failure("not-permitted", "this machine", message, {
    reason: "bad-signature",
    fix: "nothing of it was taken; ask the builder's owner whether its signing key was changed",
  });
}

/** Then the store checks the bytes against the content address, as it must for anybody. */
function provesItself(info: PathInfo): boolean {
  const required = provingHash(info);
  return required !== undefined && (required.over === "content" || required.hash.hex === info.narHash);
}

function foreign(output: StorePath, path: StorePath): Failure {
  const message = `the builder offers ${path} with ${output}, but nothing in this build can make it`;
  return new Failure("failed", "this machine", message, {
    reason: "path-not-expected",
    fix: "nothing of it was taken; tell the builder's owner",
  });
}
