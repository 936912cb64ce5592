import assert from "node:assert/strict";
import type { StorePath } from "../../../src/nix/store-path.ts";
import { itemsOf, textPath } from "../../fakes/make-path.ts";
import { addAll, collect, failure } from "./tools.ts";
import type { Use } from "./world.ts";

/** Closing, and one thing at a time. */
export function ending(use: Use): void {
  use("closing in the middle of a build ends it", async (store, world) => {
    const drv = world.derivation("sleeps", "sleep");
    await addAll(store, [drv]);
    const build = store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, event => {
      if (event.kind === "result" && event.type === 101) store.close();
    });
    await assert.rejects(build, failure({ who: "nix", reason: "connection-lost" }));
  });

  use("a closed store refuses everything, and closing it again is nothing", async store => {
    store.close();
    store.close();
    const path = textPath("closed", "1");
    await assert.rejects(store.validPaths([path.info.path]), failure({ reason: "connection-lost" }));
    await assert.rejects(addAll(store, [path]), failure({ reason: "connection-lost" }));
    await assert.rejects(collect(store.nars([path.info])), failure({ reason: "connection-lost" }));
  });

  use("a question that is asked while paths are added is answered after them", async store => {
    const made = textPath("in-order", "1");
    const items = async function* () {
      answer = store.validPaths([made.info.path]);
      yield* itemsOf([made]);
    };
    let answer: Promise<Set<StorePath>> | undefined;
    await collect(store.add(items()));
    assert.deepEqual(await answer, new Set([made.info.path]));
  });
}
