import { Failure } from "../../lib/failure.ts";
import type { PathInfo } from "../path-info.ts";
import type { DerivedPath, MissingPaths } from "../store.ts";
import { parseStorePath, type StorePath } from "../store-path.ts";
import type { ByteReader } from "./bytes.ts";
import type { Connection } from "./connection.ts";
import { derivedPath } from "./derived-path.ts";
import { encode } from "./encode.ts";
import { readOptionalPath, readPathInfo, readPaths } from "./fields.ts";
import { Limit, Op } from "./protocol.ts";

/** Which of these are valid. */
export function validPaths(connection: Connection, paths: readonly StorePath[], substitute: boolean) {
  const asked = [...new Set(paths)].map(checked);
  return connection.ask(encode(Op.queryValidPaths, asked, substitute), from => readPaths(from, asked.length));
}

/** The infos of these paths in the order asked. */
export function pathInfos(connection: Connection, paths: readonly StorePath[]): Promise<(PathInfo | undefined)[]> {
  return connection.pipeline(
    paths.map(checked),
    path => encode(Op.queryPathInfo, path),
    async (from, path) => ((await from.bool()) ? readPathInfo(from, path) : undefined),
  );
}

/** Keeps these from the garbage collector while the connection lasts. */
export async function addTempRoots(connection: Connection, paths: readonly StorePath[]): Promise<void> {
  await connection.pipeline(
    paths.map(checked),
    path => encode(Op.addTempRoot, path),
    from => from.int(),
  );
}

/** Makes the absolute path of a symlink an indirect root. */
export async function addIndirectRoot(connection: Connection, link: string): Promise<void> {
  await connection.ask(encode(Op.addIndirectRoot, link), from => from.int());
}

/** What a build of these would do. */
export function queryMissing(connection: Connection, targets: readonly DerivedPath[]): Promise<MissingPaths> {
  return connection.ask(encode(Op.queryMissing, targets.map(derivedPath)), async from => {
    const willBuild = await readPaths(from);
    const willSubstitute = await readPaths(from);
    const unknown = await readPaths(from);
    await from.big(); // bytes to download
    await from.big(); // bytes of NAR
    return { willBuild, willSubstitute, unknown };
  });
}

/** Where the outputs of these derivations are, in the order asked. */
export function outputPaths(
  connection: Connection,
  drvs: readonly StorePath[],
): Promise<Map<string, StorePath | undefined>[]> {
  return connection.pipeline(drvs.map(checked), drv => encode(Op.queryDerivationOutputMap, drv), readOutputMap);
}

async function readOutputMap(from: ByteReader): Promise<Map<string, StorePath | undefined>> {
  const outputs = new Map<string, StorePath | undefined>();
  for (let left = await from.int(Limit.items); left > 0; left--) {
    outputs.set(await from.string(Limit.word), await readOptionalPath(from));
  }
  return outputs;
}

/** Checks once more what is typed as a path: a malformed one can crash a daemon. */
export function checked(path: StorePath): StorePath {
  if (!parseStorePath(path)) throw new Failure("failed", "this machine", `not a store path: ${JSON.stringify(path)}`);
  return path;
}
