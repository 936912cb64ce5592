import assert from "node:assert/strict";
import type { PathInfo } from "../../../src/nix/path-info.ts";
import { sourcePath, textPath } from "../../fakes/make-path.ts";
import { addAll, failure } from "./tools.ts";
import type { Use } from "./world.ts";

/** Questions. */
export function queries(use: Use): void {
  use("only valid paths are valid", async store => {
    const [here, absent] = [textPath("valid", "1"), textPath("absent", "1")];
    assert.deepEqual(await addAll(store, [here]), [here.info.path]);
    assert.deepEqual(await store.validPaths([absent.info.path, here.info.path]), new Set([here.info.path]));
    assert.deepEqual(await store.validPaths([]), new Set());
  });

  use("infos come in the order asked, with gaps where nothing is valid", async store => {
    const low = textPath("info-low", "low");
    const high = sourcePath("info-high", "high", [low.info.path]);
    await addAll(store, [low, high]);
    const infos = await store.pathInfos([high.info.path, textPath("absent", "2").info.path, low.info.path]);
    assert.deepEqual(infos.map(essential), [essential(high.info), undefined, essential(low.info)]);
  });

  use("a closure has references before those that refer to them, each once", async store => {
    const base = textPath("closure-base", "");
    const left = textPath("closure-left", "", [base.info.path]);
    const right = textPath("closure-right", "", [base.info.path]);
    const top = textPath("closure-top", "", [left.info.path, right.info.path]);
    await addAll(store, [base, left, right, top]);
    const paths = (await store.closure([top.info.path, left.info.path])).map(info => info.path);
    assert.equal(paths.length, 4);
    assert.equal(paths[0], base.info.path);
    assert.equal(paths[3], top.info.path);
  });

  use("the closure of a path that is not valid is refused with its name", async store => {
    const absent = textPath("absent", "3").info.path;
    await assert.rejects(store.closure([absent]), failure({ who: "nix", message: new RegExp(absent) }));
  });

  use("paths that do not exist yet can be rooted", async store => {
    await store.addTempRoots([textPath("future", "1").info.path, textPath("future", "2").info.path]);
  });

  use("the outputs of a derivation and what a build of it would do", async (store, world) => {
    const input = world.derivation("asked-input", "succeed");
    const drv = world.derivation("asked", "succeed", [input]);
    await addAll(store, [input, drv]);
    const all = await store.outputPaths([drv.info.path, input.info.path]);
    assert.deepEqual(
      all,
      [drv, input].map(({ outputs }) => new Map(Object.entries(outputs))),
    );
    assert.deepEqual(await store.outputPaths([]), []);
    const missing = await store.queryMissing([{ drv: drv.info.path, outputs: ["out"] }]);
    assert.deepEqual(missing.willBuild, new Set([input.info.path, drv.info.path]));
    assert.equal(missing.willSubstitute.size + missing.unknown.size, 0);
  });
}

function essential(info: PathInfo | undefined) {
  if (!info) return undefined;
  const { path, narHash, narSize, references, ca } = info;
  return { path, narHash, narSize, references, ca };
}
