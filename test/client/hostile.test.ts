import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { CacheFetchPartSchema } from "../../gen/drvthru/v1/cache_pb.js";
import { type NextPart, readNar } from "../../src/client/transfer/nar-parts.ts";
import { rawFrame } from "../../src/lib/zstd-frames.ts";
import { generateSecretKey, signPath } from "../../src/nix/signing-key.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { derivation, sourcePath, unprovenPath } from "../fakes/make-path.ts";
import type { Outcome, World } from "./world.ts";
import { makeWorld } from "./world.ts";

const dep = derivation({ name: "dep" });
const app = derivation({ name: "app", inputs: [dep] });
const out = app.outputs["out"] as StorePath;

/** Nothing that was asked for may be valid here, and the builder is told to stop. */
function assertTakenNothing(world: World, { failure }: Outcome, reason: string): void {
  assert.equal(failure?.reason, reason);
  assert.ok(!world.nix.valid.has(out));
  assert.equal(world.nix.connections.size, 0);
}

test("a builder that offers a path outside the closure is refused before a byte is fetched", async t => {
  const world = await makeWorld(t);
  world.seed(dep, app);
  const foreign = unprovenPath("rootkit", "hello");
  world.builder.tell = infos => [foreign.info, ...infos].map(info => world.builder.signed(info));
  const outcome = await world.build([app]);
  assertTakenNothing(world, outcome, "path-not-expected");
  assert.ok(outcome.failure?.message.includes(foreign.info.path));
  assert.ok(!world.builder.calls.includes("fetch"));
});

test("a builder whose path refers to something outside the closure is refused before a byte is fetched", async t => {
  const world = await makeWorld(t);
  world.seed(dep, app);
  const foreign = unprovenPath("rootkit", "hello");
  world.nix.seed(foreign);
  world.builder.tell = infos =>
    infos.map(info => world.builder.signed(info.path === out ? { ...info, references: [foreign.info.path] } : info));
  assertTakenNothing(world, await world.build([app]), "path-not-expected");
  assert.ok(!world.builder.calls.includes("fetch"));
});

for (const trust of ["untrusted", "trusted"] as const) {
  test(`outputs signed by another key of the same name are refused, for a user who is ${trust} too`, async t => {
    const world = await makeWorld(t, { trust });
    world.seed(dep, app);
    const other = generateSecretKey("drv-thru-test");
    world.builder.tell = infos => infos.map(info => ({ ...info, signatures: [signPath(info, other)] }));
    assertTakenNothing(world, await world.build([app]), "bad-signature");
    assert.ok(!world.builder.calls.includes("fetch"));
  });

  test(`unsigned outputs are refused, for a user who is ${trust} too`, async t => {
    const world = await makeWorld(t, { trust });
    world.seed(dep, app);
    world.builder.tell = infos => infos.map(info => ({ ...info, signatures: [] }));
    assertTakenNothing(world, await world.build([app]), "bad-signature");
  });
}

test("an output that claims a content address it does not have is refused", async t => {
  const world = await makeWorld(t);
  world.seed(dep, app);
  const { ca = "" } = sourcePath("x", "x").info;
  world.builder.tell = infos => infos.map(info => ({ ...info, ca }));
  const { failure } = await world.build([app]);
  assert.match(failure?.message ?? "", /content address/);
});

const flipped = (nar: Uint8Array) => Uint8Array.from(nar, (byte, i) => (i === 100 ? byte ^ 1 : byte));
for (const [what, change] of [
  ["other bytes", flipped],
  ["more bytes", (nar: Uint8Array) => Buffer.concat([nar, Buffer.alloc(300_000)])],
  ["fewer bytes", (nar: Uint8Array) => nar.subarray(0, 40)],
  ["no bytes", () => new Uint8Array()],
] as const) {
  test(`a NAR with ${what} than its signed info says stops the build`, async t => {
    const world = await makeWorld(t);
    world.seed(dep, app);
    world.builder.bytesOf = path => (path.info.path === out ? change(path.nar) : path.nar);
    const outcome = await world.build([app]);
    assertTakenNothing(world, outcome, "path-corrupt");
    assert.equal(outcome.failure?.who, "the builder");
    assert.ok(outcome.failure?.message.includes(out));
  });
}

test("a file that does not decompress stops the build", async t => {
  const world = await makeWorld(t);
  world.seed(dep, app);
  world.builder.fileOf = nar => nar;
  assertTakenNothing(world, await world.build([app]), "path-corrupt");
});

test("an output ready at another path than the derivation says is refused", async t => {
  const world = await makeWorld(t);
  world.seed(dep, app);
  world.builder.run = async build => {
    const value = { drvPath: app.info.path, name: "out", path: dep.outputs["out"] as string };
    world.builder.tellEvent(build, { case: "outputReady", value });
  };
  assertTakenNothing(world, await world.build([app]), "malformed");
  assert.equal(world.builder.cancelled.length, 1, "nobody waits for this build any more");
});

test("a builder that wishes for a path that is no input gets nothing", async t => {
  const world = await makeWorld(t);
  world.seed(dep, app);
  const secret = sourcePath("secret", "mine");
  world.seed(secret);
  const { path } = secret.info;
  world.builder.wishes = [path];
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "malformed");
  assert.ok(!world.builder.uploaded.includes(path));
});

test("a builder that signs with another key than the ticket says is refused before anything is opened", async t => {
  const world = await makeWorld(t, { trust: "trusted" });
  world.seed(dep, app);
  const other = generateSecretKey("drv-thru-test");
  Object.defineProperty(world.builder, "signingKey", {
    value: `${other.name}:${Buffer.from(other.public.bytes).toString("base64")}`,
  });
  const { failure } = await world.build([app]);
  assert.deepEqual([failure?.code, failure?.reason], ["not-permitted", "signing-key-changed"]);
  assert.deepEqual(world.builder.calls, ["present"]);
});

test("attack: a builder sends a path for ever without a byte of it", async () => {
  const info = { ...unprovenPath("endless", "").info, narSize: 1 << 20 };
  const endless = [
    [new Uint8Array(), /empty pieces/],
    [frames(60_000, zstdCompressSync("")), /does not decompress/],
    [frames(60_000, rawFrame(new Uint8Array())), /too many bytes/],
    [skippable(60_000), /does not decompress/],
  ] as const;
  for (const [nothing, refusal] of endless) {
    let begun = false;
    const next: NextPart = async () => {
      if (begun) return { case: "data", value: nothing };
      begun = true;
      return create(CacheFetchPartSchema, { part: { case: "begin", value: { path: info.path } } }).part;
    };
    await assert.rejects(Array.fromAsync(readNar(info, next)), refusal);
  }
});

test("attack: a builder begins a path anew for ever", async () => {
  const { info } = unprovenPath("anew", "");
  const begin = create(CacheFetchPartSchema, { part: { case: "begin", value: { path: info.path } } }).part;
  await assert.rejects(Array.fromAsync(readNar(info, async () => begin)), /the builder sent 32 files/);
});

/** The same frame again and again, up to so many bytes. */
function frames(length: number, frame: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(Array.from({ length: Math.floor(length / frame.length) }, () => frame)));
}

/** A frame of zstd that a decoder skips: its mark, a length, and so many bytes. */
function skippable(length: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(8 + length);
  new DataView(frame.buffer).setUint32(0, 0x184d2a50, true);
  new DataView(frame.buffer).setUint32(4, length, true);
  return frame;
}
