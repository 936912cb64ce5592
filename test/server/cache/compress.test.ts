import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { unframed } from "../../../src/client/transfer/unframe.ts";
import { STRETCH, WORTH_A_CODEC } from "../../../src/lib/stretches.ts";
import { FrameReader } from "../../../src/lib/zstd-frames.ts";
import { compressed, compressedWhole } from "../../../src/server/cache/compress.ts";
import { PIECE } from "../../../src/server/cache/pieces.ts";

async function* chunks(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
}

/** Lengths of what is packed (as a file) and raw (as NAR) in it, in order. */
function runs(file: Uint8Array): { raw: boolean; length: number }[] {
  const found: { raw: boolean; length: number }[] = [];
  for (const { raw, bytes } of new FrameReader().feed(file)) {
    const last = found.at(-1);
    if (last?.raw === raw) last.length += bytes.length;
    else found.push({ raw, length: bytes.length });
  }
  return found;
}

test("what does not shrink is stored as it is, also in the middle of what does, and comes out again", async () => {
  const nar = Buffer.concat([
    Buffer.alloc(STRETCH, "words "),
    randomBytes(2 * STRETCH),
    Buffer.alloc(STRETCH, "more "),
  ]);
  const pieces = await Array.fromAsync(compressed(chunks(nar)));
  const file = Buffer.concat(pieces);
  assert.deepEqual(
    runs(file).map(({ raw, length }) => (raw ? length : "packed")),
    ["packed", 2 * STRETCH, "packed"],
  );
  assert.ok(Buffer.concat(await Array.fromAsync(unframed(chunks(file), nar.length, () => {}))).equals(nar));
  assert.ok(pieces.every(({ length }) => length > 0 && length <= PIECE));
});

test("a small NAR is compressed where it shrinks by a tenth, and a tiny one never", async () => {
  const raw = async (nar: Uint8Array) => {
    const file = await compressedWhole(chunks(nar));
    assert.deepEqual(zstdDecompressSync(file), Buffer.from(nar));
    return runs(file)[0]?.raw;
  };
  assert.equal(await raw(Buffer.alloc(WORTH_A_CODEC - 1)), true);
  assert.equal(await raw(Buffer.alloc(WORTH_A_CODEC)), false);
  assert.equal(await raw(Buffer.alloc(200_000)), false);
  assert.equal(await raw(randomBytes(200_000)), true);
});
