import assert from "node:assert/strict";
import type { Store, StoreEvent } from "../../../src/nix/store.ts";
import type { StorePath } from "../../../src/nix/store-path.ts";
import type { MadeDerivation } from "../../fakes/make-path.ts";
import { addAll } from "./tools.ts";
import type { Use } from "./world.ts";

/** Builds and how they end. */
export function building(use: Use): void {
  use("a build tells its lines as they come and makes its output valid", async (store, world) => {
    const drv = world.derivation("builds", "succeed");
    await addAll(store, [drv]);
    const events: StoreEvent[] = [];
    const target = { drv: drv.info.path, outputs: ["out"] };
    const outcomes = await store.build([target], {}, event => events.push(event));
    assert.deepEqual(outcomes, [{ drv: drv.info.path, status: "built", message: "" }]);
    const start = events.find(event => event.kind === "start" && event.type === 105);
    assert.ok(start?.kind === "start" && start.fields[0] === drv.info.path);
    const line = events.find(event => event.kind === "result" && event.type === 101);
    assert.ok(line?.kind === "result" && line.activity === start.activity);
    assert.deepEqual(line.fields, ["hello from builds"]);
    const [info] = await store.pathInfos([drv.outputs["out"] as StorePath]);
    assert.equal(info?.ultimate, true);
    assert.deepEqual(await statuses(store, [drv]), ["already-valid"]);
  });

  use("how many derivations are built is counted as they are", async (store, world) => {
    const input = world.derivation("counted-input", "succeed");
    const drv = world.derivation("counted", "succeed", [input]);
    await addAll(store, [input, drv]);
    const events: StoreEvent[] = [];
    await store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, event => events.push(event));
    const builds = events.find(event => event.kind === "start" && event.type === 104);
    assert.ok(builds?.kind === "start");
    const counts = events.filter(event => event.kind === "result" && event.type === 105);
    const last = counts.filter(event => event.kind === "result" && event.activity === builds.activity).at(-1);
    assert.ok(last?.kind === "result");
    assert.deepEqual(last.fields, [2n, 2n, 0n, 0n]);
  });

  use("a build that fails says so with Nix's words", async (store, world) => {
    const drv = world.derivation("fails", "fail");
    await addAll(store, [drv]);
    const [outcome] = await store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, () => {});
    assert.equal(outcome?.status, "permanent-failure");
    assert.match(outcome.message, /fails\.drv/);
    assert.equal((await store.validPaths([drv.outputs["out"] as StorePath])).size, 0);
  });

  use("what depends on a failed build fails for that", async (store, world) => {
    const input = world.derivation("fails-below", "fail");
    const drv = world.derivation("above-a-failure", "succeed", [input]);
    await addAll(store, [input, drv]);
    assert.deepEqual(await statuses(store, [drv]), ["dependency-failed"]);
  });

  use("several targets go on past a failure when asked to", async (store, world) => {
    const drvs = [
      world.derivation("goes-on-1", "fail"),
      world.derivation("goes-on-2", "succeed"),
      world.derivation("goes-on-3", "succeed"),
    ];
    await addAll(store, drvs);
    assert.deepEqual(await statuses(store, drvs, true), ["permanent-failure", "built", "built"]);
  });

  use("every target has a result when the first failure ends all", async (store, world) => {
    const drvs = [world.derivation("stops-1", "fail"), world.derivation("stops-2", "sleep")];
    await addAll(store, drvs);
    assert.equal((await statuses(store, drvs)).length, 2);
  });
}

async function statuses(store: Store, drvs: readonly MadeDerivation[], keepGoing = false): Promise<string[]> {
  const targets = drvs.map(({ info }) => ({ drv: info.path, outputs: ["out"] }));
  const outcomes = await store.build(targets, { keepGoing }, () => {});
  assert.deepEqual(
    outcomes.map(outcome => outcome.drv),
    targets.map(target => target.drv),
  );
  return outcomes.map(outcome => outcome.status);
}
