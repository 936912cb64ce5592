import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PathInfoSchema, PathInfo as WireInfo } from "../../../gen/drvthru/v1/common_pb.js";
import { sha256FromBytes, sha256ToBytes } from "../../nix/hash.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { isSignature } from "../../nix/signing-key.ts";
import { parseStorePath, type StorePath, sortedPaths } from "../../nix/store-path.ts";
import { malformed, toNumber } from "../wire.ts";

/** A path's info as it is sent. */
export function infoToWire(info: PathInfo): MessageInitShape<typeof PathInfoSchema> {
  return {
    path: info.path,
    narHash: sha256ToBytes(info.narHash),
    narSize: BigInt(info.narSize),
    references: [...info.references],
    ca: info.ca ?? "",
    signatures: [...info.signatures],
    deriver: info.deriver ?? "",
  };
}

/** Checks what a builder says of a path. Throws a `Failure` that blames it. */
export function infoFromWire(message: WireInfo): PathInfo {
  const path = storePathFromWire(message.path);
  const narHash = sha256FromBytes(message.narHash);
  if (narHash === undefined) throw malformed(`no hash of ${path}`);
  if (message.references.length > 16_384 || message.signatures.length > 64) throw malformed(`too much about ${path}`);
  if (message.ca.length > 256 || !message.signatures.every(isSignature)) throw malformed(`a bad info of ${path}`);
  return {
    path,
    narHash,
    narSize: toNumber(message.narSize),
    references: sortedPaths(message.references.map(storePathFromWire)),
    signatures: message.signatures,
    ...(message.ca === "" ? {} : { ca: message.ca }),
    ...(message.deriver === "" ? {} : { deriver: storePathFromWire(message.deriver) }),
  };
}

/** Checks a store path that a builder sent. */
export function storePathFromWire(text: string): StorePath {
  const path = parseStorePath(text);
  if (path === undefined) throw malformed("something in place of a store path");
  return path;
}

/** Cuts a list into messages of at most 1,024 infos and about 1 MiB. */
export function* infoBatches(infos: Iterable<PathInfo>): Generator<PathInfo[]> {
  let batch: PathInfo[] = [];
  let bytes = 0;
  for (const info of infos) {
    const size = 600 + info.references.length * 260 + info.signatures.length * 130;
    if (batch.length === 1024 || (batch.length > 0 && bytes + size > 1 << 20)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(info);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
