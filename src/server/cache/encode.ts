import { pipeline, Readable } from "node:stream";
import { promisify } from "node:util";
import { constants, createZstdCompress, zstdCompress } from "node:zlib";
import { Codec } from "../../../gen/drvthru/v1/common_pb.js";

/** NARs up to this size are compressed whole: a compressor for each would cost more than it saves. */
const WHOLE = 256 * 1024;
/** Below this size compressing is not worth its time. */
const WORTHWHILE = 256;
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };
const compressWhole = promisify(zstdCompress);

/** How a NAR travels, and its bytes then. */
export interface Encoded {
  readonly codec: Codec;
  readonly bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A NAR in the best way that the client takes. A small one that does not shrink travels as it is. */
export async function encoded(nar: AsyncIterable<Uint8Array>, size: number, best: Codec): Promise<Encoded> {
  if (best !== Codec.ZSTD || size < WORTHWHILE) return { codec: Codec.NONE, bytes: nar };
  if (size > WHOLE) return { codec: Codec.ZSTD, bytes: compressStream(nar) };
  const pieces: Uint8Array[] = [];
  for await (const piece of nar) pieces.push(piece);
  const plain = Buffer.concat(pieces);
  const small = await compressWhole(plain, { params: PARAMS });
  return small.length < plain.length ? { codec: Codec.ZSTD, bytes: [small] } : { codec: Codec.NONE, bytes: [plain] };
}

async function* compressStream(nar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const compressor = createZstdCompress({ params: PARAMS });
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
