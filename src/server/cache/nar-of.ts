import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { refuse } from "../refusal.ts";
import type { Fill } from "./fill.ts";
import { NoRoom } from "./source.ts";

/** The error for a path that the builder had, and has not any more. */
export function notThere(path: StorePath) {
  return refuse(Reason.UNSPECIFIED, Code.NotFound, `${path} is not on the builder any more`, {
    subject: path,
    fix: "build it again",
  });
}

/** The NAR of a path, which the store must still hold as it was vouched for. Protected from collection meanwhile. */
export async function* narOf(store: Store, info: PathInfo): AsyncGenerator<Uint8Array> {
  await store.addTempRoots([info.path]);
  const [held] = await store.pathInfos([info.path]);
  if (!isStill(info, held)) throw notThere(info.path);
  for await (const { nar } of store.nars([info])) yield* nar;
}

/** Fills paths from a store in one conversation. What the store has not got any more fails alone, and what there is no room for. */
export async function fillFrom(store: Store, fills: readonly Fill[]): Promise<void> {
  const paths = fills.map(fill => fill.info.path);
  await store.addTempRoots(paths);
  const held = await store.pathInfos(paths);
  const there = fills.filter(({ info }, index) => isStill(info, held[index]));
  for (const fill of fills) if (!there.includes(fill)) fill.fail(notThere(fill.info.path));
  let index = 0;
  for await (const { nar } of store.nars(there.map(fill => fill.info))) {
    const fill = there[index++];
    await fill?.take(nar).catch(error => {
      if (there.length === 1 || !(error instanceof NoRoom)) throw error;
      fill.fail(error);
    });
  }
}

function isStill(info: PathInfo, held: PathInfo | undefined): boolean {
  return held?.narHash === info.narHash && held.narSize === info.narSize;
}
