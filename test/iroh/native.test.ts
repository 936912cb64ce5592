import assert from "node:assert/strict";
import { test } from "node:test";
import type { IrohSession } from "../../src/iroh/endpoint.ts";
import { StreamError } from "../../src/lib/stream.ts";
import {
  alpn,
  at,
  onLoopback,
  pair,
  readAll,
  streamErrorOf,
  streams,
  writeUntilItFails,
} from "../contract/endpoint/tools.ts";
import { whenStill } from "../contract/stalls.ts";
import { until } from "../until.ts";
import { makeWith, whyNoAddon } from "./bindings.ts";
import { remoteAlpn } from "./remote-protocol.ts";
import { RemotePeer } from "./remote-session.ts";

const make = (options: Parameters<typeof makeWith>[1]) => makeWith("native", options);
const skip = whyNoAddon;
const MiB = 1024 * 1024;
const write = 64 * 1024;
/** What a stream takes here before its peer does: 256 KiB, and the write that goes past them. */
const queued = 256 * 1024 + write;

test("a stop reaches the peer while a read is pending here, a reset while a write is", { skip }, async () => {
  await using both = await pair(make);
  const first = await streams(both);
  const reading = first.near.read();
  first.near.stop(7);
  assert.equal(await reading, undefined);
  await assert.rejects(writeUntilItFails(first.far), streamErrorOf("stopped", 7));

  const second = await streams(both);
  let written = 0;
  const writing = (async () => {
    for (;;) written += await second.near.write(new Uint8Array(64 * 1024)).then(() => 64 * 1024);
  })();
  const ended = assert.rejects(writing, streamErrorOf("closed"));
  await whenStill(() => written);
  second.near.reset(5);
  await ended;
  await assert.rejects(readAll(second.far), streamErrorOf("reset", 5));
});

test("a peer makes this end hold 12 MiB of one stream that nobody reads, and 64 MiB of all together", {
  skip,
}, async () => {
  await using both = await pair(make);
  const one = flood(both.near, 1);
  await until("12 MiB are taken", () => one.taken() >= 12 * MiB);
  const many = flood(both.near, 20);
  await until("what is left of 64 MiB is taken", () => many.taken() >= 52 * MiB);
  await whenStill(many.taken);
  assert.ok(many.taken() <= 52 * MiB + 20 * queued, `${many.taken()}`);
  assert.ok(one.taken() <= 12 * MiB + queued, `${one.taken()}`);
  const held = both.far.statistics().receivedBytes;
  assert.ok(held > 64 * MiB && held < 67 * MiB, `${held}`);
});

test("what waits here for a peer that reads nothing yet arrives, also after the end was said", { skip }, async () => {
  await using both = await pair(make);
  const { near, far } = await streams(both);
  let taken = 0;
  while (taken < 12 * MiB + 3 * write) {
    await near.write(new Uint8Array(write).fill(taken / write));
    taken += write;
  }
  const finished = near.finish();
  const arrived = await readAll(far);
  await finished;
  assert.equal(arrived.length, taken);
  assert.ok(arrived.every((byte, at) => byte === Math.floor(at / write) % 256));
});

test("bytes that were taken ahead of a read come before the reset that followed them, and it is not lost", {
  skip,
}, async () => {
  await using both = await pair(make);
  const { near, far } = await streams(both);
  await far.write(new Uint8Array(100));
  await near.read();
  const before = both.near.statistics().receivedBytes;
  await far.write(new Uint8Array(10 * write));
  await until("the bytes are here", () => both.near.statistics().receivedBytes >= before + 10 * write);
  far.reset(9);
  assert.ok(await near.read());
  await assert.rejects(readAll(near), streamErrorOf("reset", 9));
  await assert.rejects(near.read(), streamErrorOf("reset", 9));
});

test("a stranger makes this end hold no more than a stranger may send", { skip }, async () => {
  await using both = await pair(make, { limits: { strangerBytes: 8 * MiB } });
  const stranger = flood(both.near, 4);
  assert.equal((await both.far.closed).code, 4);
  assert.ok(stranger.taken() <= 8 * MiB + 4 * queued, `${stranger.taken()}`);
  assert.ok(both.far.statistics().receivedBytes < 9 * MiB, `${both.far.statistics().receivedBytes}`);
  await using other = await pair(make, { limits: { strangerBytes: 8 * MiB } });
  other.far.admit?.();
  const known = flood(other.near, 4);
  await until("one who has said who it is goes on", () => known.taken() > 16 * MiB);
});

test("a peer that is stopped where it is counts as lost, on a session that says nothing and amid a write", {
  skip,
}, async () => {
  const { peer, address } = await RemotePeer.start("native");
  const endpoint = await make({ alpns: [], relay: "none", bind: ["127.0.0.1:0"] });
  try {
    const session = await endpoint.connect(address, remoteAlpn);
    const stream = await session.open();
    const reading = assert.rejects(stream.read(), streamErrorOf("lost"));
    const writing = assert.rejects(writeUntilItFails(stream), streamErrorOf("lost"));
    peer.freeze();
    const { kind, reason } = await session.closed;
    assert.deepEqual([kind, reason], ["lost", "nothing was heard from the peer any more"]);
    await Promise.all([reading, writing]);
  } finally {
    peer.kill();
    await endpoint.close();
  }
});

test("a session tells when its path changes, and no more once nobody listens", { skip }, async () => {
  await using server = { it: await make(onLoopback), [Symbol.asyncDispose]: () => server.it.close() };
  await using client = { it: await make(onLoopback), [Symbol.asyncDispose]: () => client.it.close() };
  void server.it.accept();
  const near = await client.it.connect(at(server.it), alpn);
  const unwatch = near.watchPath(() => assert.fail("nothing has changed"));
  await near.open().then(stream => stream.write(Uint8Array.of(1)));
  unwatch();
  unwatch();
});

/** Writes into so many streams, until their session ends; `taken` says how many bytes were. */
function flood(session: IrohSession, count: number): { taken(): number } {
  let taken = 0;
  const fill = async () => {
    const stream = await session.open();
    for (;;) {
      await stream.write(new Uint8Array(write));
      taken += write;
    }
  };
  for (let at = 0; at < count; at++) fill().catch(error => assert.ok(error instanceof StreamError));
  return { taken: () => taken };
}
