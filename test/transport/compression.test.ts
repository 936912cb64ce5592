import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { gzipCompression, zstdCompression } from "../../src/transport/compression.ts";

const text = Buffer.from("the same words again and again; ".repeat(1000));

/** A frame that claims a window of 2 to this power, and holds one small block. */
function windowOf(log: number): Uint8Array {
  const magic = [0x28, 0xb5, 0x2f, 0xfd];
  const lastRawBlockOfOneByte = [0x09, 0, 0];
  return Uint8Array.from([...magic, 0, (log - 10) << 3, ...lastRawBlockOfOneByte, 0x78]);
}

function refusedWith(code: Code) {
  return (error: unknown) => error instanceof ConnectError && error.code === code;
}

for (const compression of [gzipCompression, zstdCompression]) {
  test(`${compression.name}: a message comes back whole, and one past the limit is refused`, async () => {
    const small = await compression.compress(text);
    assert.ok(small.length < text.length);
    assert.deepEqual(Buffer.from(await compression.decompress(small, text.length)), text);
    await assert.rejects(compression.decompress(small, text.length - 1), refusedWith(Code.ResourceExhausted));
  });

  test(`${compression.name}: garbage is refused`, async () => {
    await assert.rejects(compression.decompress(Buffer.from("garbage"), 1000), refusedWith(Code.InvalidArgument));
  });
}

test("attack: a few bytes of zstd ask for a window of 128 MiB", async () => {
  assert.equal(Buffer.from(await zstdCompression.decompress(windowOf(23), 1000)).toString(), "x");
  await assert.rejects(zstdCompression.decompress(windowOf(24), 1000), refusedWith(Code.InvalidArgument));
  await assert.rejects(zstdCompression.decompress(windowOf(27), 1000), refusedWith(Code.InvalidArgument));
});

test("what zstd compresses best is still read", async () => {
  const best = zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 19 } });
  assert.deepEqual(Buffer.from(await zstdCompression.decompress(best, text.length)), text);
});
