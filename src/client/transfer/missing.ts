import { type BuildId, idToBytes } from "../../lib/ids.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Services } from "../connection/services.ts";
import { malformed } from "../wire.ts";
import { infoBatches, infoToWire, storePathFromWire } from "./path-info.ts";
import { guardStall } from "./stall.ts";

/** Asks which of a build's inputs the builder lacks; in the order of the inputs. */
export async function findMissing(
  upload: Services["upload"],
  build: BuildId,
  inputs: readonly PathInfo[],
  signal: AbortSignal,
): Promise<PathInfo[]> {
  using guard = guardStall("asking what the builder lacks", signal);
  const known = new Set(inputs.map(info => info.path));
  const missing = new Set<StorePath>();
  async function* ask() {
    let buildId = idToBytes(build);
    for (const batch of infoBatches(inputs)) {
      yield { buildId, paths: batch.map(infoToWire) };
      buildId = new Uint8Array();
      guard.moved();
    }
  }
  for await (const { paths } of upload.missing(ask(), { signal: guard.signal })) {
    guard.moved();
    for (const text of paths) {
      const path = storePathFromWire(text);
      if (!known.has(path)) throw malformed(`a wish for ${path}, which is no input of this build`);
      missing.add(path);
    }
  }
  return inputs.filter(info => missing.has(info.path));
}
