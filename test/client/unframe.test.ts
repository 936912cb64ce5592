import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { unframed } from "../../src/client/transfer/unframe.ts";
import { rawFrame, ZstdFormatError } from "../../src/lib/zstd-frames.ts";

async function* chunks(bytes: Uint8Array, size = 50_000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const words = Buffer.alloc(300_000, "some words ");
const noise = randomBytes(300_000);

async function unframe(file: Uint8Array, size: number) {
  const told: boolean[] = [];
  const pieces = await Array.fromAsync(unframed(chunks(file), size, raw => told.push(raw)));
  return { bytes: Buffer.concat(pieces), told };
}

test("a file that is cut into tiny pieces is the same", async () => {
  const file = Buffer.concat([zstdCompressSync("one"), zstdCompressSync("two"), rawFrame(Buffer.from("three"))]);
  for (const size of [1, 2, 5]) {
    const bytes = Buffer.concat(await Array.fromAsync(unframed(chunks(file, size), 11, () => {})));
    assert.equal(bytes.toString(), "onetwothree");
  }
});

test("packed and raw frames of a file come out in their order, and each change is told", async () => {
  const file = Buffer.concat([zstdCompressSync(words), zstdCompressSync(noise), rawFrame(noise), rawFrame(words)]);
  const { bytes, told } = await unframe(Buffer.concat([file, zstdCompressSync(noise)]), 1_500_000);
  assert.ok(bytes.equals(Buffer.concat([words, noise, noise, words, noise])));
  assert.deepEqual(told, [false, true, false]);
});

test("attack: a builder makes a decoder for every few bytes", async () => {
  const pairs = (count: number) =>
    Buffer.concat(Array.from({ length: count }, () => [zstdCompressSync("a"), rawFrame(Buffer.from("b"))]).flat());
  assert.equal((await unframe(pairs(3), 1 << 20)).bytes.toString(), "ababab");
  await assert.rejects(unframe(pairs(4), 1 << 20), /too many packed frames/);
});

test("a file that is cut off, in a raw frame or in a packed one, is refused", async () => {
  for (const frame of [rawFrame(noise), zstdCompressSync(noise)]) {
    await assert.rejects(unframe(frame.subarray(0, -1), noise.length), error => {
      assert.ok(error instanceof ZstdFormatError || /unexpected end/i.test(String(error)));
      return true;
    });
  }
});

test("whoever leaves early lets the source clean up", async () => {
  let left = false;
  async function* endless() {
    try {
      for (;;) yield rawFrame(noise);
    } finally {
      left = true;
    }
  }
  for await (const _ of unframed(endless(), noise.length, () => {})) break;
  assert.ok(left);
});
