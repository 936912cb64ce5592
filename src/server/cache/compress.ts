import { pipeline, Readable } from "node:stream";
import { promisify } from "node:util";
import { constants, createZstdCompress, zstdCompress } from "node:zlib";

/** NARs up to this size are compressed whole: a compressor for each would cost more than it saves. */
export const WHOLE = 256 * 1024;
/** Bytes of one piece of a compressed file. */
const PIECE = 64 * 1024;
/** The fastest: a fill is what the first client waits for. */
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };
const compressAtOnce = promisify(zstdCompress);

/** A small NAR as one zstd frame. */
export async function compressedWhole(nar: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return await compressAtOnce(Buffer.concat(await Array.fromAsync(nar)), { params: PARAMS });
}

/** A NAR as one zstd frame, piece by piece. */
export async function* compressed(nar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const compressor = createZstdCompress({ params: PARAMS, chunkSize: PIECE });
  let failed: unknown;
  pipeline(Readable.from(nar, { objectMode: true, highWaterMark: 1 }), compressor, error => {
    failed = error ?? undefined;
  });
  try {
    for await (const piece of compressor) yield piece;
  } catch (error) {
    throw failed ?? error;
  } finally {
    compressor.destroy();
  }
}
