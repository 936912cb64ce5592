import assert from "node:assert/strict";
import { test } from "node:test";
import { derivation, sourcePath } from "../fakes/make-path.ts";
import { missing, open, refused } from "./calls.ts";
import { buildLargeClosure, largeClosure } from "./closure-story.ts";
import { world } from "./world.ts";

test("a closure of 3,000 paths goes there and back in messages of at most 1,024, and the builder's Nix is asked once a message", async t => {
  const builder = await world(t);
  const { asked, answered } = await buildLargeClosure(builder, largeClosure(3_000), 20);
  assert.deepEqual(asked, { messages: 3, mostInfos: 1_024 });
  assert.ok(answered.mostInfos <= 1_024, `${answered.mostInfos}`);
  assert.ok(answered.messages <= 4, `${answered.messages}`);
  const questions = (what: string) => builder.nix.asked.filter(name => name === what).length;
  // Of a closure once a level, of what is named once a message.
  assert.ok(questions("pathInfos") <= 50, `${questions("pathInfos")}`);
  assert.ok(questions("validPaths") <= 20, `${questions("validPaths")}`);
});

test("a build names as many paths as it may, and one more is refused", async t => {
  const builder = await world(t, { limits: { maxNamedPaths: 30 } });
  const guest = await builder.anyone();
  const buildId = await open(guest, [derivation({ name: "a" })]);
  const paths = Array.from({ length: 31 }, (_, n) => sourcePath(`p-${n}`, `${n}`));
  assert.equal((await missing(guest, buildId, paths.slice(0, 30))).length, 30);
  assert.equal((await missing(guest, buildId, paths.slice(0, 30))).length, 30, "the same again is free");
  assert.equal(await refused(missing(guest, buildId, paths.slice(30))), "LIMIT");
});

test("a message has as many paths as it may, and one more is refused", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const buildId = await open(guest, [derivation({ name: "a" })]);
  const paths = Array.from({ length: 1_025 }, (_, n) => sourcePath(`p-${n}`, `${n}`));
  assert.equal(await refused(missing(guest, buildId, paths)), "MALFORMED");
  assert.equal((await missing(guest, buildId, paths.slice(1))).length, 1_024);
});
