import assert from "node:assert/strict";
import type { Sha256 } from "../../../src/nix/path-info.ts";
import { textPath } from "../../fakes/make-path.ts";
import { addAll, collect, failure, readAll } from "./tools.ts";
import type { Use } from "./world.ts";

/** Archives that come out. */
export function reading(use: Use): void {
  use("an archive with another hash than its info says fails at its last read", async store => {
    const made = textPath("lied-about", "1");
    await addAll(store, [made]);
    const reads = readAll(store, [{ ...made.info, narHash: "1".repeat(64) as Sha256 }]);
    await assert.rejects(reads, failure({ code: "hash-mismatch", reason: "connection-lost" }));
  });

  use("an archive whose hash is left to whoever gets it comes as it is, and so do those after it", async store => {
    const [made, next] = [textPath("lied-about", "1"), textPath("next", "2")];
    await addAll(store, [made, next]);
    const lie = { ...made.info, narHash: "1".repeat(64) as Sha256 };
    const read = await readAll(store, [lie, next.info], { checkHash: false });
    assert.deepEqual(read, [made.nar, next.nar]);
  });

  use("nothing is asked, nothing comes", async store => {
    assert.deepEqual(await collect(store.nars([])), []);
    assert.deepEqual(await addAll(store, []), []);
    assert.deepEqual(await store.closure([]), []);
  });
}
