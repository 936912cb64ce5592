import { Failure } from "../../lib/failure.ts";
import type { PathInfo } from "../path-info.ts";
import type { StorePath } from "../store-path.ts";

/** The closure of these paths, references first, asked for level by level. */
export async function closure(
  paths: readonly StorePath[],
  infosOf: (paths: readonly StorePath[]) => Promise<(PathInfo | undefined)[]>,
): Promise<PathInfo[]> {
  const known = new Map<StorePath, PathInfo>();
  for (let level = [...new Set(paths)]; level.length > 0; ) {
    const infos = await infosOf(level);
    const next = new Set<StorePath>();
    for (const [index, path] of level.entries()) {
      const info = infos[index];
      if (!info) throw new Failure("failed", "nix", `the path ${path} is not valid`, { reason: "path-not-valid" });
      known.set(path, info);
      for (const reference of info.references) next.add(reference);
    }
    level = [...next].filter(path => !known.has(path));
  }
  return referencesFirst(paths, known);
}

function referencesFirst(roots: readonly StorePath[], known: ReadonlyMap<StorePath, PathInfo>): PathInfo[] {
  const sorted: PathInfo[] = [];
  const seen = new Set<StorePath>();
  // A stack of its own: a chain of a hundred thousand references is deeper than the one of calls.
  const stack: { info: PathInfo; next: number }[] = [];
  const enter = (path: StorePath) => {
    const info = known.get(path);
    if (!info || seen.has(path)) return;
    seen.add(path);
    stack.push({ info, next: 0 });
  };
  for (const root of roots) {
    enter(root);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const reference = top.info.references[top.next++];
      if (reference) enter(reference);
      else sorted.push((stack.pop() as typeof top).info);
    }
  }
  return sorted;
}
