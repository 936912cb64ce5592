import assert from "node:assert/strict";
import type { NarItem } from "../../../src/nix/store.ts";
import type { StorePath } from "../../../src/nix/store-path.ts";
import { chunksOf, itemsOf, sourcePath, textPath } from "../../fakes/make-path.ts";
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

  for (const [what, items] of Object.entries(stalls)) {
    use(`closing ends the adding of ${what}, and what waits behind it`, async store => {
      const adding = collect(store.add(items(() => setTimeout(() => store.close(), 20))));
      const behind = store.validPaths([]);
      const lost = failure({ who: "nix", reason: "connection-lost" });
      await Promise.all([assert.rejects(adding, lost), assert.rejects(behind, lost)]);
    });
  }

  use("closing ends what waits behind archives that nobody reads on", async store => {
    const made = textPath("left-hanging", "1");
    await addAll(store, [made]);
    await store.nars([made.info])[Symbol.asyncIterator]().next();
    const behind = store.validPaths([]);
    setTimeout(() => store.close(), 20);
    await assert.rejects(behind, failure({ who: "nix", reason: "connection-lost" }));
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

/** Items that stop coming. `stalled` is called when they do. */
const stalls: Readonly<Record<string, (stalled: () => void) => AsyncGenerator<NarItem>>> = {
  "items that never come": async function* (stalled) {
    yield* itemsOf([textPath("then-silence", "1")]);
    stalled();
    await never;
  },
  "an archive that never comes": async function* (stalled) {
    yield { info: slow.info, nar: silentAfter(slow.nar, 0, stalled) };
  },
  "an archive that stops half way": async function* (stalled) {
    yield { info: slow.info, nar: silentAfter(slow.nar, 200_000, stalled) };
  },
};

const never = new Promise<never>(() => {});
const slow = sourcePath("slow", "s".repeat(400_000));

async function* silentAfter(nar: Uint8Array, bytes: number, stalled: () => void): AsyncGenerator<Uint8Array> {
  yield* chunksOf(nar.subarray(0, bytes), 50_000);
  stalled();
  await never;
}
