import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { Codec } from "../../gen/drvthru/v1/common_pb.js";
import { encode } from "../../src/client/transfer/encode.ts";
import { SAMPLE, STRETCH } from "../../src/lib/stretches.ts";

const CHUNK = 60_000;

async function* chunks(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

/** How bytes travel: the codecs in order, the lengths of the stretches, and what a reader makes of them. */
async function travel(bytes: Uint8Array) {
  const stretches: { readonly codec: Codec; readonly data: Uint8Array[] }[] = [];
  for await (const piece of encode(chunks(bytes))) {
    if (typeof piece === "number") stretches.push({ codec: piece, data: [] });
    else stretches.at(-1)?.data.push(piece);
  }
  const unpacked = stretches.map(({ codec, data }) =>
    codec === Codec.ZSTD ? zstdDecompressSync(Buffer.concat(data)) : Buffer.concat(data),
  );
  return {
    codecs: stretches.map(({ codec }) => codec),
    sizes: unpacked.map(({ length }) => length),
    bytes: Buffer.concat(unpacked),
    messages: stretches.flatMap(({ data }) => data.map(({ length }) => length)),
  };
}

test("what does not shrink travels as it is, also in the middle of what does", async () => {
  const source = Buffer.concat([Buffer.alloc(STRETCH, "words "), randomBytes(2 * STRETCH), Buffer.alloc(STRETCH + 1)]);
  const { codecs, sizes, bytes, messages } = await travel(source);
  assert.deepEqual(codecs, [Codec.ZSTD, Codec.NONE, Codec.ZSTD]);
  assert.deepEqual(sizes, [STRETCH, 2 * STRETCH, STRETCH + 1]);
  assert.ok(bytes.equals(source));
  assert.ok(messages.every(length => length > 0 && length <= 256 * 1024));
});

test("an end that is shorter than a sample travels as what was before it; a whole sample is tried", async () => {
  const end = (length: number) => Buffer.concat([Buffer.alloc(STRETCH), randomBytes(length)]);
  assert.deepEqual((await travel(end(SAMPLE - 1))).codecs, [Codec.ZSTD]);
  assert.deepEqual((await travel(end(SAMPLE))).codecs, [Codec.ZSTD, Codec.NONE]);
});

test("a few random bytes and no bytes at all are not compressed", async () => {
  assert.deepEqual((await travel(randomBytes(100))).codecs, [Codec.NONE]);
  assert.deepEqual(await travel(new Uint8Array()), {
    codecs: [Codec.NONE],
    sizes: [0],
    bytes: Buffer.alloc(0),
    messages: [],
  });
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
  for await (const piece of encode(endless())) if (typeof piece !== "number") break;
  assert.ok(left);
});
