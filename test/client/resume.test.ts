import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import { BuildOutcome } from "../../gen/drvthru/v1/build_pb.js";
import { rawFrame } from "../../src/lib/zstd-frames.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { derivation } from "../fakes/make-path.ts";
import { makeWorld, type World } from "./world.ts";

const app = derivation({ name: "app" });
const out = app.outputs["out"] as StorePath;
const content = randomBytes(600_000).toString("hex");

/** A builder whose one output is large. */
async function worldWithLargeOutput(t: Parameters<typeof makeWorld>[0]): Promise<World> {
  const world = await makeWorld(t);
  world.seed(app);
  const { builder } = world;
  builder.run = async build => {
    builder.nix.produced(app.info.path, out, content, []);
    for (const target of build.record.targets) builder.announce(build, target);
    builder.end(build, BuildOutcome.BUILT);
  };
  return world;
}

/** Cuts the connection each time that so many pieces were sent over it. */
function cutAfter({ builder }: World, pieces: number, cuts: number): void {
  let left = cuts;
  let ofThis = 0;
  builder.send = async function* (part) {
    yield { parts: [part] };
    ofThis += 1;
    if (ofThis < pieces || left === 0) return;
    // Most of what was sent has arrived by then.
    await new Promise(resolve => setTimeout(resolve, 20));
    left -= 1;
    ofThis = 0;
    builder.sessions.at(-1)?.kill();
  };
}

/** Every call went on where the client stood, and the last has sent the rest and no more. */
function assertWentOn({ builder, nix }: World): void {
  const { length } = builder.fileOf(builder.nix.valid.get(out)?.nar ?? new Uint8Array());
  const offsets = builder.asked.map(({ offset }) => offset);
  assert.deepEqual(
    offsets,
    builder.asked.map(({ from }) => from),
  );
  assert.deepEqual(
    offsets,
    offsets.toSorted((a, b) => a - b),
  );
  assert.equal(builder.asked.at(-1)?.sent, length - (offsets.at(-1) ?? 0));
  assert.ok((offsets.at(-1) ?? 0) > 0);
  assert.equal(nix.asked.filter(what => what === "add").length, 1, "one import, which waited");
  assert.deepEqual(nix.valid.get(out)?.nar, builder.nix.valid.get(out)?.nar);
}

test("a download that is cut in the middle of a path goes on at the byte where it stood", async t => {
  const world = await worldWithLargeOutput(t);
  cutAfter(world, 300, 1);
  const { failure, report } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(world.builder.asked.length, 2);
  assert.equal(report?.downloadedPaths, 1);
  assertWentOn(world);
});

test("a link that breaks many times in one path costs its bytes once", async t => {
  const world = await worldWithLargeOutput(t);
  cutAfter(world, 40, 12);
  assert.equal((await world.build([app])).failure, undefined);
  assert.ok(world.builder.sessions.length > 5, `${world.builder.sessions.length} connections`);
  assertWentOn(world);
});

test("a builder that has compressed a path anew meanwhile is read from the beginning, and nothing is imported twice", async t => {
  const world = await worldWithLargeOutput(t);
  const { builder } = world;
  cutAfter(world, 300, 1);
  let level = 0;
  builder.fileOf = nar => {
    level += 5;
    return zstdCompressSync(nar, { params: { [constants.ZSTD_c_compressionLevel]: level } });
  };
  const { failure } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.deepEqual(
    builder.asked.map(({ from }) => from),
    [0, 0],
  );
  assert.ok((builder.asked[1]?.offset ?? 0) > 0);
  assert.equal(world.nix.asked.filter(what => what === "add").length, 1);
  assert.deepEqual(world.nix.valid.get(out)?.nar, builder.nix.valid.get(out)?.nar);
});

test("the builder hears of each output that was fetched", async t => {
  const world = await worldWithLargeOutput(t);
  await world.build([app]);
  assert.deepEqual(world.builder.fetched, [out]);
});

test("attack: a builder begins a path again and again", async t => {
  const world = await worldWithLargeOutput(t);
  let begun = 0;
  world.builder.send = async function* () {
    for (; begun < 100; begun++) {
      yield { parts: [{ part: { case: "begin", value: { path: out } } }] };
      yield { parts: [{ part: { case: "data", value: rawFrame(new Uint8Array(10)) } }] };
    }
  };
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "malformed");
  assert.match(failure?.message ?? "", /again and again/);
});

test("attack: a builder sends a path from an offset that nobody asked for", async t => {
  const world = await worldWithLargeOutput(t);
  world.builder.send = async function* () {
    yield { parts: [{ part: { case: "begin", value: { path: out, offset: 7n } } }] };
  };
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "malformed");
  assert.match(failure?.message ?? "", /from an offset that nobody asked for/);
});

test("an output that is ready is imported while another still builds", async t => {
  const other = derivation({ name: "other" });
  const world = await makeWorld(t);
  world.seed(app, other);
  const { builder } = world;
  builder.run = async build => {
    builder.nix.produced(app.info.path, out, content, []);
    const [first, second] = build.record.targets;
    if (first) builder.announce(build, first);
    // The builder does not end before the client has the first.
    while (!world.nix.valid.has(out)) await new Promise(setImmediate);
    builder.nix.produced(other.info.path, other.outputs["out"] as StorePath, "late", []);
    if (second) builder.announce(build, second);
    builder.end(build, BuildOutcome.BUILT);
  };
  const { failure, report } = await world.build([app, other]);
  assert.equal(failure, undefined);
  assert.equal(report?.downloadedPaths, 2);
  assert.deepEqual(
    builder.asked.map(({ path }) => path),
    [out, other.outputs["out"]],
  );
});
