import type { PathInfo, Sha256 } from "../path-info.ts";
import { parseStorePath, type StorePath } from "../store-path.ts";
import type { ByteReader } from "./bytes.ts";
import { protocolError } from "./error.ts";
import { Limit } from "./protocol.ts";

/** A store path. */
async function readPath(from: ByteReader): Promise<StorePath> {
  return checkPath(await from.string(Limit.path));
}

/** A store path, or none. */
export async function readOptionalPath(from: ByteReader): Promise<StorePath | undefined> {
  const text = await from.string(Limit.path);
  return text === "" ? undefined : checkPath(text);
}

/** A set of at most `max` store paths. */
export async function readPaths(from: ByteReader, max: number = Limit.paths): Promise<Set<StorePath>> {
  const paths = new Set<StorePath>();
  for (let left = await from.int(max); left > 0; left--) paths.add(await readPath(from));
  return paths;
}

/** What is known of a valid path. */
export async function readPathInfo(from: ByteReader, path: StorePath): Promise<PathInfo> {
  const deriver = await readOptionalPath(from);
  const narHash = checkHash(await from.string(Limit.path));
  const references = [...(await readPaths(from))].sort();
  await from.big(); // the time of registration
  const narSize = await from.int();
  const ultimate = await from.bool();
  const signatures: string[] = [];
  for (let left = await from.int(Limit.items); left > 0; left--) signatures.push(await from.string(Limit.word));
  const ca = await from.string(Limit.word);
  return {
    path,
    narHash,
    narSize,
    references,
    signatures,
    ultimate,
    ...(ca !== "" && { ca }),
    ...(deriver && { deriver }),
  };
}

function checkPath(text: string): StorePath {
  const path = parseStorePath(text);
  if (!path) throw protocolError(`a store path that is none: ${JSON.stringify(text)}`);
  return path;
}

function checkHash(text: string): Sha256 {
  if (!/^[0-9a-f]{64}$/.test(text)) throw protocolError(`a hash that is none: ${JSON.stringify(text)}`);
  return text as Sha256;
}
