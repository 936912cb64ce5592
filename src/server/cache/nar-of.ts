import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { refuse } from "../refusal.ts";
import type { Fill } from "./fill.ts";

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
  if (held?.narHash !== info.narHash || held.narSize !== info.narSize) throw notThere(info.path);
  for await (const { nar } of store.nars([info])) yield* nar;
}

/** Fills from a store. */
export async function fillFrom(store: Store, fill: Fill): Promise<void> {
  await fill.take(narOf(store, fill.info));
}
