import type { PathInfo } from "../../nix/path-info.ts";

/** Streams that may run at once, then the stream that needs them all. */
export interface PutPlan {
  readonly parallel: readonly (readonly PathInfo[])[];
  readonly last: readonly PathInfo[];
}

/** Below this many bytes a further stream does not pay. */
const WORTH_A_STREAM = 8 << 20;
/** Smaller paths stay together: they travel packed. */
const LARGE = 1 << 20;

/**
 * Spreads paths over streams. A path must follow its references, and streams know nothing of each other: so only large paths without
 * missing references (sources) go side by side, each list largest first, and all others follow in one stream, references first.
 */
export function planPut(missing: readonly PathInfo[], maxStreams: number): PutPlan {
  const paths = new Set(missing.map(info => info.path));
  const free = missing.filter(
    info => info.narSize >= LARGE && info.references.every(ref => ref === info.path || !paths.has(ref)),
  );
  const total = free.reduce((sum, info) => sum + info.narSize, 0);
  const count = Math.min(maxStreams, free.length, Math.floor(total / WORTH_A_STREAM));
  if (count < 2) return { parallel: [], last: missing };
  const lanes = Array.from({ length: count }, () => ({ bytes: 0, infos: [] as PathInfo[] }));
  for (const info of free.toSorted((a, b) => b.narSize - a.narSize)) {
    const lane = lanes.reduce((least, other) => (other.bytes < least.bytes ? other : least));
    lane.infos.push(info);
    lane.bytes += info.narSize;
  }
  const placed = new Set(free);
  return { parallel: lanes.map(lane => lane.infos), last: missing.filter(info => !placed.has(info)) };
}
