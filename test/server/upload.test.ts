import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { Codec } from "../../gen/drvthru/v1/common_pb.js";
import type { UploadPutResponse } from "../../gen/drvthru/v1/upload_pb.js";
import { Channel } from "../../src/server/channel.ts";
import { derivation, sourcePath } from "../fakes/make-path.ts";
import { missing, open, put, putCodec, putData, putPaths, putStart, refused, upload } from "./calls.ts";
import { type Connected, world } from "./world.ts";

type Message = ReturnType<typeof putStart | typeof putPaths | typeof putData | typeof putCodec>;

/** A Put stream whose messages a test sends one by one. */
function putStream(guest: Connected) {
  const messages = new Channel<Message>(1_000);
  const registered: string[] = [];
  const read = async (responses: AsyncIterable<UploadPutResponse>) => {
    for await (const response of responses) registered.push(...response.registered);
  };
  const done = read(guest.upload.put(messages));
  // Awaited later by those tests whose stream ends.
  done.catch(() => undefined);
  return { send: (message: Message) => messages.send(message), end: () => messages.end(), registered, done };
}

test("an upload that stalls while another build wants the same path is dropped, and the other goes through", async t => {
  const builder = await world(t, { limits: { contestedStallTime: 20, stallTime: 600_000 } });
  const path = sourcePath("shared", randomBytes(10_000));
  const [staller, other] = [await builder.anyone(), await builder.anyone()];
  const stalled = putStream(staller);
  const stalledId = await open(staller, [derivation({ name: "a" })]);
  await stalled.send(putStart(stalledId));
  await stalled.send(putPaths([path]));
  await stalled.send(putData(path.nar.subarray(0, 1_000)));
  while (!builder.nix.asked.includes("add")) await new Promise(setImmediate);

  const otherId = await open(other, [derivation({ name: "b" })]);
  assert.deepEqual(await put(other, otherId, [path]), [path.info.path]);
  assert.equal(await refused(stalled.done), "UPLOAD_STALLED");
  assert.deepEqual(await missing(staller, stalledId, [path]), []);
});

test("attack: an upload brings a byte now and then to keep another from sending the same path", async t => {
  const builder = await world(t, { limits: { contestedStallTime: 200 } });
  const path = sourcePath("shared", randomBytes(10_000));
  const [trickler, other] = [await builder.anyone(), await builder.anyone()];
  const trickle = putStream(trickler);
  await trickle.send(putStart(await open(trickler, [derivation({ name: "a" })])));
  await trickle.send(putPaths([path]));
  let at = 0;
  const drip = setInterval(() => void trickle.send(putData(path.nar.subarray(at, ++at))), 20);
  t.after(() => clearInterval(drip));
  while (!builder.nix.asked.includes("add")) await new Promise(setImmediate);

  const waiting = putStream(other);
  await waiting.send(putStart(await open(other, [derivation({ name: "b" })])));
  await waiting.send(putPaths([path]));
  assert.equal(await refused(trickle.done), "UPLOAD_STALLED");
  assert.ok(at < path.nar.length, "it was taken for as long as it lasted");
  await waiting.send(putData(path.nar));
  waiting.end();
  await waiting.done;
  assert.deepEqual(waiting.registered, [path.info.path]);
});

test("an upload that stalls by itself is dropped with its daemon connection", async t => {
  const builder = await world(t, { limits: { stallTime: 20 } });
  const guest = await builder.anyone();
  const path = sourcePath("slow", randomBytes(10_000));
  const stream = putStream(guest);
  const buildId = await open(guest, [derivation({ name: "a" })]);
  await stream.send(putStart(buildId));
  await stream.send(putPaths([path]));
  await stream.send(putData(path.nar.subarray(0, 1_000)));
  assert.equal(await refused(stream.done), "UPLOAD_STALLED");
  // The build's own connection, which protects what it named, is all that is left.
  assert.equal(builder.nix.connections.size, 1);
});

test("an upload that is announced and not begun locks nothing", async t => {
  const builder = await world(t, { limits: { stallTime: 20 } });
  const guest = await builder.anyone();
  const path = sourcePath("later", "words");
  const stream = putStream(guest);
  const buildId = await open(guest, [derivation({ name: "a" })]);
  await stream.send(putStart(buildId));
  await stream.send(putPaths([path]));
  await new Promise(resolve => setTimeout(resolve, 100));
  assert.ok(!builder.nix.asked.includes("add"));
  await stream.send(putData(path.nar));
  stream.end();
  await stream.done;
  assert.deepEqual(stream.registered, [path.info.path]);
});

test("a thousand small paths and a large one travel in one compressed stream", async t => {
  const builder = await world(t);
  const guest = await builder.anyone({ maxUploadBytes: 10_000_000 });
  const paths = Array.from({ length: 1_000 }, (_, n) => sourcePath(`small-${n}`, `content ${n}`));
  paths.push(sourcePath("large", randomBytes(3_000_000)));
  const buildId = await open(guest, [derivation({ name: "a" })]);
  const bytes = zstdCompressSync(Buffer.concat(paths.map(path => path.nar)));
  const stream = putStream(guest);
  await stream.send(putStart(buildId, Codec.ZSTD));
  await stream.send(putPaths(paths.slice(0, 900)));
  await stream.send(putPaths(paths.slice(900)));
  for (let at = 0; at < bytes.length; at += 200_000) await stream.send(putData(bytes.subarray(at, at + 200_000)));
  stream.end();
  await stream.done;
  assert.equal(stream.registered.length, 1_001);
  for (const path of paths) assert.ok(builder.nix.valid.has(path.info.path));
});

test("an acknowledged path stays when the stream breaks off in the next", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const [first, second] = [sourcePath("first", "one"), sourcePath("second", "two")];
  const buildId = await open(guest, [derivation({ name: "a" })]);
  const stream = putStream(guest);
  await stream.send(putStart(buildId));
  await stream.send(putPaths([first, second]));
  await stream.send(putData(first.nar));
  await stream.send(putData(second.nar.subarray(0, 50)));
  while (!stream.registered.includes(first.info.path)) await new Promise(setImmediate);
  stream.end();
  assert.equal(await refused(stream.done), "PATH_CORRUPT");
  assert.deepEqual(await missing(guest, buildId, [first, second]), [second.info.path]);
});

test("references may travel on another stream of the build", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const below = sourcePath("below", "one");
  const above = sourcePath("above", "two", [below.info.path]);
  const buildId = await open(guest, [derivation({ name: "a" })]);
  await missing(guest, buildId, [below, above]);
  const waiting = put(guest, buildId, [above]);
  assert.deepEqual(await put(guest, buildId, [below]), [below.info.path]);
  assert.deepEqual(await waiting, [above.info.path]);
});

test("the uploads of a build that is cancelled end", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const path = sourcePath("slow", randomBytes(10_000));
  const stream = putStream(guest);
  const buildId = await open(guest, [derivation({ name: "a" })]);
  await stream.send(putStart(buildId));
  await stream.send(putPaths([path]));
  await stream.send(putData(path.nar.subarray(0, 1_000)));
  while (!builder.nix.asked.includes("add")) await new Promise(setImmediate);
  await guest.build.cancel({ buildId });
  assert.notEqual(await refused(stream.done), "taken");
  assert.equal(builder.nix.connections.size, 0);
});

test("the codec of a stream changes after 1 MiB of NAR, and not one byte before", async t => {
  const builder = await world(t);
  const guest = await builder.anyone({ maxUploadBytes: 10_000_000 });
  const MIB = 1024 * 1024;
  const send = async (name: string, first: number) => {
    const path = sourcePath(name, randomBytes(3 * MIB));
    const stream = putStream(guest);
    await stream.send(putStart(await open(guest, [derivation({ name })])));
    await stream.send(putPaths([path]));
    for (let at = 0; at < first; at += 200_000) {
      await stream.send(putData(path.nar.subarray(at, Math.min(first, at + 200_000))));
    }
    await stream.send(putCodec(Codec.ZSTD));
    const second = zstdCompressSync(path.nar.subarray(first, first + MIB));
    for (let at = 0; at < second.length; at += 200_000) await stream.send(putData(second.subarray(at, at + 200_000)));
    await stream.send(putCodec(Codec.NONE));
    for (let at = first + MIB; at < path.nar.length; at += 200_000) {
      await stream.send(putData(path.nar.subarray(at, at + 200_000)));
    }
    stream.end();
    return { stream, path };
  };
  const { stream, path } = await send("late", MIB);
  await stream.done;
  assert.deepEqual(stream.registered, [path.info.path]);
  assert.equal(await refused((await send("early", MIB - 1)).stream.done), "MALFORMED");
});

test("one zstd stream may follow another, as where the client takes another level", async t => {
  const builder = await world(t);
  const guest = await builder.anyone({ maxUploadBytes: 10_000_000 });
  const MIB = 1024 * 1024;
  const path = sourcePath("levels", Buffer.alloc(3 * MIB, "words of many kinds "));
  const stream = putStream(guest);
  await stream.send(putStart(await open(guest, [derivation({ name: "levels" })]), Codec.ZSTD));
  await stream.send(putPaths([path]));
  await stream.send(putData(zstdCompressSync(path.nar.subarray(0, 2 * MIB))));
  await stream.send(putCodec(Codec.ZSTD));
  await stream.send(putData(zstdCompressSync(path.nar.subarray(2 * MIB))));
  stream.end();
  await stream.done;
  assert.deepEqual(stream.registered, [path.info.path]);
});

test("a codec that is none is refused, at the start and later", async t => {
  const builder = await world(t);
  const guest = await builder.anyone({ maxUploadBytes: 10_000_000 });
  const path = sourcePath("odd", randomBytes(2 * 1024 * 1024));
  const atStart = putStream(guest);
  await atStart.send(putStart(await open(guest, [derivation({ name: "a" })]), 7 as Codec));
  await atStart.send(putPaths([path]));
  await atStart.send(putData(path.nar.subarray(0, 1_000)));
  assert.equal(await refused(atStart.done), "MALFORMED");
  const later = putStream(guest);
  await later.send(putStart(await open(guest, [derivation({ name: "b" })])));
  await later.send(putPaths([path]));
  for (let at = 0; at < 8; at++) await later.send(putData(path.nar.subarray(at * 200_000, (at + 1) * 200_000)));
  await later.send(putCodec(7 as Codec));
  later.end();
  assert.equal(await refused(later.done), "MALFORMED");
});

test("as many upload streams as are allowed, and not one more", async t => {
  const builder = await world(t, { limits: { maxPutStreams: 2 } });
  const guest = await builder.anyone();
  const buildId = await open(guest, [derivation({ name: "a" })]);
  const streams = [putStream(guest), putStream(guest)];
  for (const stream of streams) await stream.send(putStart(buildId));
  const third = putStream(guest);
  await third.send(putStart(buildId));
  assert.equal(await refused(third.done), "LIMIT");
  for (const stream of streams) stream.end();
  for (const stream of streams) await stream.done;
});

test("what is named is protected from collection until the build ends", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const path = sourcePath("kept", "words");
  const buildId = await upload(guest, [derivation({ name: "a" })], [path]);
  const protectedPaths = () => [...builder.nix.connections].flatMap(store => [...store.tempRoots]);
  assert.ok(protectedPaths().includes(path.info.path));
  await guest.build.cancel({ buildId });
  assert.deepEqual(protectedPaths(), []);
});
