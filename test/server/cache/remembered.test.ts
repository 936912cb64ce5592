import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildId } from "../../../src/lib/ids.ts";
import { RememberedClosures } from "../../../src/server/cache/remembered.ts";
import { sourcePath } from "../../fakes/make-path.ts";

const build = (n: number) => n.toString(16).padStart(64, "b") as BuildId;
const { info } = sourcePath("a", "a");

test("closures are remembered while they are used, and forgotten after a time without", t => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const pass = (milliseconds: number) => {
    now += milliseconds;
    t.mock.timers.tick(milliseconds);
  };
  const remembered = new RememberedClosures({ time: 100 });
  remembered.of(build(1)).all.set(info.path, info);
  pass(60);
  remembered.of(build(2));
  remembered.of(build(1));
  pass(60);
  assert.equal(remembered.of(build(1)).all.size, 1, "it was used meanwhile");
  assert.equal(remembered.size, 2);
  pass(60);
  assert.equal(remembered.size, 1, "the other was not");
  pass(200);
  assert.equal(remembered.size, 0);
  assert.equal(remembered.of(build(1)).all.size, 0);
});

test("beyond the limits the closures that were used last are kept, and always those in use", () => {
  const remembered = new RememberedClosures({ builds: 2, infos: 1 });
  for (const n of [1, 2]) remembered.of(build(n));
  remembered.of(build(1));
  remembered.of(build(3));
  assert.equal(remembered.size, 2);
  remembered.of(build(3)).all.set(info.path, info);
  remembered.of(build(4)).all.set(info.path, info);
  remembered.of(build(4));
  assert.equal(remembered.size, 1);
  assert.equal(remembered.of(build(4)).all.size, 1);
});
