import { readFileSync } from "node:fs";
import { parseSha256 } from "../../src/nix/hash.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import { parseStorePath, type StorePath } from "../../src/nix/store-path.ts";

/** A file of the vectors that `npm run golden` made with a real Nix. */
export function golden(name: string): Buffer {
  return readFileSync(new URL(`../golden/nix/${name}`, import.meta.url));
}

/** A store path that must be one. */
export function storePath(text: string): StorePath {
  const path = parseStorePath(text);
  if (path === undefined) throw new Error(`not a store path: ${text}`);
  return path;
}

/** What Nix said of the golden paths, by name. */
export const PATHS: ReadonlyMap<string, PathInfo> = new Map(
  Object.entries<GoldenInfo>(JSON.parse(golden("paths.json").toString())).map(([name, info]) => [name, pathInfo(info)]),
);

interface GoldenInfo {
  readonly path: string;
  readonly narHash: string;
  readonly narSize: number;
  readonly references: string[];
  readonly ca?: string;
  readonly deriver?: string;
}

/** The info of one golden path. */
export function goldenPath(name: string): PathInfo {
  const info = PATHS.get(name);
  if (info === undefined) throw new Error(`no golden path ${name}`);
  return info;
}

function pathInfo({ path, narHash, narSize, references, ca, deriver }: GoldenInfo): PathInfo {
  const hash = parseSha256(narHash);
  if (hash === undefined) throw new Error(`not a hash: ${narHash}`);
  return {
    path: storePath(path),
    narHash: hash,
    narSize,
    references: references.map(storePath),
    ...(ca !== undefined && { ca }),
    signatures: [],
    ...(deriver !== undefined && { deriver: storePath(deriver) }),
  };
}
