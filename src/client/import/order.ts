import type { PathInfo } from "../../nix/path-info.ts";
import type { StorePath } from "../../nix/store-path.ts";

/**
 * These paths in the order in which `nix copy` takes them: each after those of them that it refers to, by name where that leaves a choice.
 * `infos` have references first themselves.
 */
export function copyOrder(infos: readonly PathInfo[]): PathInfo[] {
  const byPath = new Map(infos.map(info => [info.path, info]));
  const ordered = new Map<StorePath, PathInfo>();
  for (const path of [...byPath.keys()].sort()) visit(path, byPath, ordered);
  return [...ordered.values()];
}

/** Without recursion: chains of references may be long. */
function visit(start: StorePath, byPath: ReadonlyMap<StorePath, PathInfo>, ordered: Map<StorePath, PathInfo>): void {
  const way = [{ path: start, next: 0 }];
  for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
    const info = byPath.get(at.path);
    const reference = info?.references[at.next++];
    if (info === undefined || ordered.has(at.path)) {
      way.pop();
    } else if (reference === undefined) {
      ordered.set(at.path, info);
      way.pop();
    } else if (reference !== at.path && !ordered.has(reference)) {
      way.push({ path: reference, next: 0 });
    }
  }
}
