import { formatSha256 } from "./hash.ts";
import type { PathInfo } from "./path-info.ts";
import { sortedPaths } from "./store-path.ts";

/** What a signature is made over: `1;PATH;sha256:NIX32;SIZE;REF,REF…`. It says nothing of `ca` and deriver. */
export function fingerprint(info: Pick<PathInfo, "path" | "narHash" | "narSize" | "references">): string {
  const references = sortedPaths(info.references).join(",");
  return `1;${info.path};${formatSha256(info.narHash, "nix32")};${info.narSize};${references}`;
}
