import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ByteReader } from "../../../src/nix/daemon/bytes.ts";
import { Slabs } from "../../../src/nix/daemon/slabs.ts";
import { dial, type Wire } from "../../../src/nix/daemon/wire.ts";

/** A wire and the daemon's end of it. */
async function connection(context: TestContext): Promise<{ wire: Wire; daemon: Socket }> {
  const folder = mkdtempSync(join(tmpdir(), "wire-"));
  const server = createServer();
  context.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, "socket");
  await once(server.listen(path), "listening");
  const accepted = once(server, "connection");
  const { wire, socket } = dial(path);
  await once(socket, "connect");
  const [daemon] = await accepted;
  context.after(() => {
    wire.destroy();
    daemon.destroy();
  });
  return { wire, daemon };
}

test("pieces that are kept stay what they were, however much comes after them", async context => {
  const { wire, daemon } = await connection(context);
  const bytes = randomBytes(9 * 1024 * 1024 + 5);
  daemon.end(bytes);
  const kept: Uint8Array[] = [];
  for (let left = bytes.length; left > 0; left -= kept.at(-1)?.length ?? 0) kept.push(await wire.reader.some(left));
  assert.ok(Buffer.concat(kept).equals(bytes));
  await assert.rejects(wire.reader.some(1), /closed the connection/);
});

test("a daemon that is not listened to waits, and loses nothing", async context => {
  const { wire, daemon } = await connection(context);
  const bytes = randomBytes(8 * 1024 * 1024);
  daemon.end(bytes);
  await wire.reader.some(1);
  await setTimeout(50);
  assert.equal(daemon.writableFinished, false, "more was read than is held");
  const rest = await wire.reader.bytes(bytes.length - 1);
  assert.ok(rest.equals(bytes.subarray(1)));
});

test("one read after another fills the same memory, and a full one is not written again", () => {
  const slabs = new Slabs();
  const reads: Uint8Array[] = [];
  for (let n = 0; n < 100; n++) {
    const { room } = slabs;
    assert.ok(room.length >= 128 * 1024);
    room.fill(n, 0, 50_000);
    reads.push(slabs.take(50_000));
  }
  for (const [n, read] of reads.entries()) assert.ok(read.length === 50_000 && read.every(byte => byte === n));
  assert.ok(new Set(reads.map(read => read.buffer)).size < 10);
});

test("what lies in one piece of memory is read as one piece", async () => {
  const reader = new ByteReader({ pause: () => {}, resume: () => {} });
  const memory = Uint8Array.from({ length: 30 }, (_, n) => n);
  for (const [from, to] of [
    [0, 10],
    [10, 15],
    [20, 25],
    [25, 30],
    [15, 20],
  ] as const)
    reader.push(memory.subarray(from, to));
  assert.deepEqual([...(await reader.some(100))], [...memory.subarray(0, 15)]);
  assert.deepEqual([...(await reader.some(7))], [...memory.subarray(20, 27)]);
  assert.deepEqual([...(await reader.some(100))], [...memory.subarray(27, 30)]);
  assert.deepEqual([...(await reader.some(100))], [...memory.subarray(15, 20)]);
});
