import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { type PathInfoSchema, Reason, type PathInfo as WireInfo } from "../../gen/drvthru/v1/common_pb.js";
import { sha256FromBytes, sha256ToBytes } from "../nix/hash.ts";
import type { PathInfo } from "../nix/path-info.ts";
import { parseStorePath, type StorePath, sortedPaths } from "../nix/store-path.ts";
import { refuse } from "./refusal.ts";

const MAX_REFERENCES = 16_384;
const MAX_SIGNATURES = 64;
const MAX_SIGNATURE = 512;
const MAX_CA = 256;

/** Most infos or paths in one message. */
export const MAX_BATCH = 1_024;

/** The error for a field that is not as the protocol says. */
export function malformed(what: string, subject = "") {
  return refuse(Reason.MALFORMED, Code.InvalidArgument, what, { subject });
}

/** A store path from a peer. Throws a refusal for any other text. */
export function storePathFromWire(text: string): StorePath {
  const path = parseStorePath(text);
  if (path === undefined) throw malformed("this is no store path", text);
  return path;
}

/** A path info from a peer, checked field by field. `ultimate` is never taken over, a deriver only if it is a path. */
export function pathInfoFromWire(wire: WireInfo): PathInfo {
  const path = storePathFromWire(wire.path);
  const narHash = sha256FromBytes(wire.narHash);
  if (narHash === undefined) throw malformed(`the NAR hash of ${path} is not 32 bytes`, path);
  const narSize = Number(wire.narSize);
  if (!Number.isSafeInteger(narSize) || narSize === 0) throw malformed(`the NAR size of ${path} is out of range`, path);
  if (wire.references.length > MAX_REFERENCES) throw malformed(`${path} has too many references`, path);
  if (wire.ca.length > MAX_CA) throw malformed(`the content address of ${path} is too long`, path);
  if (wire.signatures.length > MAX_SIGNATURES || wire.signatures.some(text => text.length > MAX_SIGNATURE)) {
    throw malformed(`the signatures of ${path} are too many or too long`, path);
  }
  return {
    path,
    narHash,
    narSize,
    references: sortedPaths(wire.references.map(storePathFromWire)),
    signatures: wire.signatures,
    ...(wire.ca !== "" && { ca: wire.ca }),
    ...(wire.deriver !== "" && { deriver: storePathFromWire(wire.deriver) }),
  };
}

/** A path info for a peer. */
export function pathInfoToWire(info: PathInfo): MessageInitShape<typeof PathInfoSchema> {
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
