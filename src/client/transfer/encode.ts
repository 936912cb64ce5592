import { constants, createZstdCompress, zstdCompressSync } from "node:zlib";
import { Codec } from "../../../gen/drvthru/v1/common_pb.js";
import { type Bytes, Lookahead, packed, through } from "./bytes.ts";

/** A piece of a stream as it travels: bytes, or how those after it do. */
export type Encoded = Uint8Array | Codec.NONE | Codec.ZSTD;

/** Bytes that are tried, at the beginning and after each {@link STRETCH}. */
export const SAMPLE = 256 << 10;
/** Bytes that travel as what was tried of them did best. */
export const STRETCH = 4 << 20;

/** Bytes of a message: with what is around them it just fits the power of two that the encoder of messages takes for it. */
const LEAST = (64 << 10) - 64;
const MOST = (256 << 10) - 64;

/** Bytes in messages of about 64 to 256 KiB, compressed where that makes them smaller. Begins with a codec, and never has two without a stretch between. */
export async function* encode(source: Bytes): AsyncGenerator<Encoded> {
  const input = new Lookahead(source);
  let head = await input.peek(SAMPLE);
  let codec = shrinks(head) ? Codec.ZSTD : Codec.NONE;
  /** As long as the same codec is the better one. What is shorter than a sample is the end, and not worth a change. */
  async function* stretches() {
    do {
      yield* input.take(STRETCH);
      head = await input.peek(SAMPLE);
    } while (head.length > 0 && (head.length < SAMPLE || shrinks(head) === (codec === Codec.ZSTD)));
  }
  try {
    do {
      yield codec;
      const bytes = codec === Codec.ZSTD ? through(stretches(), compressor()) : stretches();
      yield* packed(bytes, LEAST, MOST);
      codec = codec === Codec.ZSTD ? Codec.NONE : Codec.ZSTD;
    } while (head.length > 0);
  } finally {
    await input.leave();
  }
}

/** Whether bytes shrink by a tenth at least. */
function shrinks(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return false;
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length < bytes.length * 0.9;
}

function compressor() {
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_windowLog]: 21 };
  return createZstdCompress({ params, chunkSize: LEAST });
}
