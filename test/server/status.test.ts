import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildState } from "../../gen/drvthru/v1/build_pb.js";
import { derivation } from "../fakes/make-path.ts";
import { begin, open, resultOf } from "./calls.ts";
import { world } from "./world.ts";

test("a guest sees its own builds and the number of the others, the administrator sees all", async t => {
  const builder = await world(t);
  const [mine, theirs] = [await builder.anyone(), await builder.anyone()];
  const gate = Promise.withResolvers<undefined>();
  const drv = derivation({ name: "long" });
  builder.nix.script(drv.info.path, () => gate.promise);
  const running = await begin(theirs, [drv]);
  await open(mine, [derivation({ name: "mine" })]);

  const { status } = await mine.status.get({});
  assert.equal(status?.activeCount, 1);
  assert.deepEqual(status?.active, []);
  assert.equal(status?.opened.length, 1);

  const administrator = builder.connect({ kind: "administrator" });
  const all = (await administrator.status.get({})).status;
  assert.equal(all?.active[0]?.state, BuildState.RUNNING);
  assert.equal(all?.opened.length, 1);
  gate.resolve(undefined);
  await resultOf(theirs, running);
  const after = (await administrator.status.get({})).status;
  assert.equal(after?.recent.length, 1);
  assert.equal((await mine.status.get({})).status?.recent.length, 0);
});

test("a watch of the status tells each change", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const enough = new AbortController();
  const updates = guest.status.watch({}, { signal: enough.signal })[Symbol.asyncIterator]();
  assert.equal((await updates.next()).value?.status?.opened.length, 0);
  await open(guest, [derivation({ name: "mine" })]);
  assert.equal((await updates.next()).value?.status?.opened.length, 1);
  enough.abort();
});
