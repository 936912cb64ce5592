import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { FrameReader, rawFrame, rawFramePieces, ZstdFormatError } from "../../src/lib/zstd-frames.ts";

const BLOCK = 128 * 1024;

async function* chunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What a reader makes of bytes that come in chunks of a size: raw bytes and packed ones, each joined with those after it of its kind. */
function read(bytes: Uint8Array, size: number): { raw: boolean; bytes: Buffer }[] {
  const reader = new FrameReader();
  const runs: { raw: boolean; bytes: Buffer }[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const piece of reader.feed(bytes.subarray(at, at + size))) {
      const last = runs.at(-1);
      if (last?.raw === piece.raw) last.bytes = Buffer.concat([last.bytes, piece.bytes]);
      else runs.push({ raw: piece.raw, bytes: Buffer.from(piece.bytes) });
    }
  }
  assert.ok(reader.whole);
  return runs;
}

/** How many frames for a decoder it tells apart. */
function packedFrames(bytes: Uint8Array, size: number): number {
  const reader = new FrameReader();
  let count = 0;
  for (let at = 0; at < bytes.length; at += size) {
    count += reader.feed(bytes.subarray(at, at + size)).filter(({ raw, begins }) => begins && !raw).length;
  }
  return count;
}

test("bytes in a raw frame are what every zstd reads, at and beside the size of a block", () => {
  for (const length of [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 300_000]) {
    const bytes = randomBytes(length);
    const frame = rawFrame(bytes);
    assert.deepEqual(zstdDecompressSync(frame), bytes);
    assert.ok(frame.length <= length + 20);
  }
});

test("a raw frame made piece by piece is one, whatever the pieces it is made of", async () => {
  for (const length of [0, 1, 990, 991, 992, 1988, 1989, 50_000]) {
    for (const size of [1, 997, 64 * 1024]) {
      const bytes = randomBytes(length);
      const pieces = await Array.fromAsync(rawFramePieces(chunks(bytes, size), () => new Uint8Array(1000)));
      assert.ok(pieces.every((piece, at) => piece.length === 1000 || at === pieces.length - 1));
      assert.deepEqual(zstdDecompressSync(Buffer.concat(pieces)), bytes);
    }
  }
  const [piece, ...more] = await Array.fromAsync(
    rawFramePieces(chunks(Buffer.alloc(BLOCK - 9), BLOCK), () => new Uint8Array(BLOCK)),
  );
  assert.deepEqual([piece?.length, more.length], [BLOCK, 0]);
});

test("raw and packed frames are told from each other, wherever the bytes are cut", () => {
  const words = Buffer.from("some words that pack ".repeat(400));
  const noise = randomBytes(3000);
  const plain = zstdCompressSync(words);
  const summed = zstdCompressSync(words, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const sized = zstdCompressSync(words, { pledgedSrcSize: words.length });
  const one = zstdCompressSync(Buffer.alloc(1_000_000));
  const file = Buffer.concat([plain, summed, rawFrame(noise), rawFrame(words), sized, one, rawFrame(Buffer.alloc(0))]);
  for (const size of [1, 2, 3, 7, 64, 1000, file.length]) {
    const runs = read(file, size);
    assert.deepEqual(
      runs.map(({ raw }) => raw),
      [false, true, false],
    );
    assert.equal(packedFrames(file, size), 4);
    assert.deepEqual(runs[0]?.bytes, Buffer.concat([plain, summed]));
    assert.deepEqual(runs[1]?.bytes, Buffer.concat([noise, words]));
    assert.deepEqual(runs[2]?.bytes, Buffer.concat([sized, one]));
  }
});

test("a file that ends in a frame is not whole", () => {
  for (const frame of [rawFrame(Buffer.from("bytes")), zstdCompressSync("bytes")]) {
    for (let length = 1; length < frame.length; length++) {
      const reader = new FrameReader();
      reader.feed(frame.subarray(0, length));
      assert.ok(!reader.whole, `after ${length} bytes`);
    }
  }
});

test("what is no zstd, frames to skip, blocks too large and packed blocks among raw ones are refused", () => {
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
  const block = (size: number, type: number) => [0, 8, 16].map(shift => (((size << 3) | (type << 1)) >> shift) & 0xff);
  const bad = [
    Buffer.from("no zstd"),
    Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0]),
    Buffer.from([...header, ...block(BLOCK + 1, 0)]),
    Buffer.from([...header, ...block(10, 1)]),
    Buffer.from([...header, ...block(10, 2)]),
  ];
  for (const bytes of bad) assert.throws(() => new FrameReader().feed(bytes), ZstdFormatError);
  new FrameReader().feed(Buffer.from([...header, ...block(BLOCK, 0)]));
});
