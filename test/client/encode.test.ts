import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { encode } from "../../src/client/transfer/encode.ts";
import type { Encoding } from "../../src/client/transfer/encoding.ts";
import { SAMPLE, STRETCH, WORTH_A_CODEC } from "../../src/lib/stretches.ts";

const CHUNK = 60_000;

async function* chunks(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

/** How bytes travel: the encodings in order, the lengths of the stretches, and what a reader makes of them. */
async function travel(bytes: Uint8Array) {
  const stretches: { readonly encoding: Encoding; readonly data: Uint8Array[] }[] = [];
  for await (const piece of encode(chunks(bytes))) {
    if (typeof piece === "string") stretches.push({ encoding: piece, data: [] });
    else stretches.at(-1)?.data.push(piece);
  }
  const unpacked = stretches.map(({ encoding, data }) =>
    encoding.startsWith("zstd") ? zstdDecompressSync(Buffer.concat(data)) : Buffer.concat(data),
  );
  return {
    encodings: stretches.map(({ encoding }) => encoding),
    sizes: unpacked.map(({ length }) => length),
    bytes: Buffer.concat(unpacked),
    messages: stretches.flatMap(({ data }) => data.map(({ length }) => length)),
  };
}

test("what does not shrink travels as it is after a stretch of it, also in the middle of what does", async () => {
  const source = Buffer.concat([Buffer.alloc(STRETCH, "words "), randomBytes(2 * STRETCH), Buffer.alloc(STRETCH + 1)]);
  const { encodings, sizes, bytes, messages } = await travel(source);
  assert.deepEqual(encodings, ["zstd-1", "incompressible", "zstd-1"]);
  assert.deepEqual(sizes, [2 * STRETCH, STRETCH, STRETCH + 1]);
  assert.ok(bytes.equals(source));
  assert.ok(messages.every(length => length > 0 && length <= 256 * 1024));
});

test("an end that is shorter than a sample travels as what was before it; a whole sample is tried", async () => {
  const end = (length: number) => Buffer.concat([randomBytes(STRETCH), Buffer.alloc(length)]);
  assert.deepEqual((await travel(end(SAMPLE - 1))).encodings, ["incompressible"]);
  assert.deepEqual((await travel(end(SAMPLE))).encodings, ["incompressible", "zstd-1"]);
});

test("a few random bytes and no bytes at all are not compressed", async () => {
  assert.deepEqual((await travel(randomBytes(100))).encodings, ["incompressible"]);
  assert.deepEqual(await travel(new Uint8Array()), {
    encodings: ["incompressible"],
    sizes: [0],
    bytes: Buffer.alloc(0),
    messages: [],
  });
});

test("less than 4 KiB is not compressed, however well it would shrink", async () => {
  assert.deepEqual((await travel(Buffer.alloc(WORTH_A_CODEC - 1))).encodings, ["incompressible"]);
  assert.deepEqual((await travel(Buffer.alloc(WORTH_A_CODEC))).encodings, ["zstd-1"]);
});

test("whoever leaves early lets the source clean up", async () => {
  let left = false;
  async function* endless() {
    try {
      for (;;) yield randomBytes(CHUNK);
    } finally {
      left = true;
    }
  }
  for await (const piece of encode(endless())) if (typeof piece !== "string") break;
  assert.ok(left);
});
