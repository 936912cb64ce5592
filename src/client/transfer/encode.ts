import { constants, createZstdCompress } from "node:zlib";
import { Codec } from "../../../gen/drvthru/v1/common_pb.js";
import { type Bytes, packed, through } from "../../lib/bytes.ts";
import { stretches } from "../../lib/stretches.ts";

/** A piece of a stream as it travels: bytes, or how those after it do. */
export type Encoded = Uint8Array | Codec.NONE | Codec.ZSTD;

/** Bytes of a message: with what is around them it just fits the power of two that the encoder of messages takes for it. */
const LEAST = (64 << 10) - 64;
const MOST = (256 << 10) - 64;

/** Bytes in messages of about 64 to 256 KiB, compressed where that makes them smaller. Begins with a codec, and never has two without a stretch between. */
export async function* encode(source: Bytes): AsyncGenerator<Encoded> {
  for await (const { shrinks, bytes } of stretches(source)) {
    yield shrinks ? Codec.ZSTD : Codec.NONE;
    yield* packed(shrinks ? through(bytes, compressor()) : bytes, LEAST, MOST);
  }
}

function compressor() {
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_windowLog]: 21 };
  return createZstdCompress({ params, chunkSize: LEAST });
}
