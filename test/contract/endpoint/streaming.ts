import assert from "node:assert/strict";
import { test } from "node:test";
import type { Duplex } from "../../../src/lib/stream.ts";
import { type MakeEndpoint, pair, pattern, readAll, streamErrorOf, streams, writeUntilItFails } from "./tools.ts";

/** Bytes, resets, stops and back-pressure. */
export function streaming(name: string, make: MakeEndpoint): void {
  test(`${name}: a megabyte goes each way at once, then both ends are clean`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const sent = pattern(1024 * 1024 + 7);
    const send = async (stream: Duplex) => {
      await stream.write(sent);
      await stream.finish();
    };
    const [atFar, atNear] = await Promise.all([readAll(far), readAll(near), send(near), send(far)]);
    assert.ok(Buffer.from(sent).equals(atFar) && Buffer.from(sent).equals(atNear));
    await Promise.all([near.closed, far.closed]);
    assert.equal(await near.read(), undefined);
  });

  test(`${name}: writes that nobody waited for arrive in order`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const writes = Array.from({ length: 200 }, (_, i) => near.write(Uint8Array.of(i)));
    const finished = near.finish();
    assert.deepEqual(await readAll(far), Buffer.from(Array.from({ length: 200 }, (_, i) => i)));
    await Promise.all([...writes, finished]);
    await assert.rejects(near.write(Uint8Array.of(1)), streamErrorOf("closed"));
  });

  test(`${name}: one-way streams go each way`, async () => {
    await using both = await pair(make);
    for (const [from, to] of [
      [both.near, both.far],
      [both.far, both.near],
    ] as const) {
      const accepted = to.acceptUni();
      const writer = await from.openUni();
      await writer.write(pattern(100));
      await writer.finish();
      const reader = await accepted;
      assert.ok(reader);
      assert.deepEqual(await readAll(reader), Buffer.from(pattern(100)));
    }
  });

  test(`${name}: a reset reaches the reader as a reset, again and again`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    near.reset(5);
    near.reset(6);
    await assert.rejects(far.read(), streamErrorOf("reset", 5));
    await assert.rejects(far.read(), streamErrorOf("reset", 5));
    await assert.rejects(near.write(Uint8Array.of(1)), streamErrorOf("closed"));
    await assert.rejects(near.finish(), streamErrorOf("closed"));
  });

  test(`${name}: a stop reaches the writer as a stop`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    far.stop(7);
    far.stop(8);
    assert.equal(await far.read(), undefined);
    await assert.rejects(writeUntilItFails(near), streamErrorOf("stopped", 7));
    await assert.rejects(near.finish(), streamErrorOf("stopped", 7));
  });

  test(`${name}: a stop ends a pending read, a reset ends a pending write`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const reading = near.read();
    near.stop(1);
    assert.equal(await reading, undefined);
    const writing = writeUntilItFails(near);
    near.reset(1);
    await assert.rejects(writing, streamErrorOf("closed"));
    await near.closed;
    await far.finish();
  });

  test(`${name}: a writer waits while nobody reads, and goes on when somebody does`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    // More than any binding lets a peer send ahead.
    const sent = pattern(14 * 1024 * 1024);
    let written = false;
    const writing = near
      .write(sent)
      .then(() => near.finish())
      .then(() => {
        written = true;
      });
    // A round trip on another stream: by then a write without back-pressure would be through.
    const other = await streams(both);
    await other.near.finish();
    assert.equal(await other.far.read(), undefined);
    assert.equal(written, false);
    assert.ok(Buffer.from(sent).equals(await readAll(far)));
    await writing;
  });
}
