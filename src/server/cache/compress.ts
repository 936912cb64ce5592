import { promisify } from "node:util";
import { constants, createZstdCompress, zstdCompress } from "node:zlib";
import { type Bytes, packed, through } from "../../lib/bytes.ts";
import { stretches, WORTH_A_CODEC } from "../../lib/stretches.ts";
import { rawFrame, rawFramePieces } from "../../lib/zstd-frames.ts";
import { PIECE, pieces } from "./pieces.ts";

/** NARs up to this size are compressed whole: a compressor for each would cost more than it saves. */
export const WHOLE = 256 * 1024;
/** Bytes that a compressor gets at once: each time costs a way to another thread and back, and with less that is a fifth of all its CPU time. */
const FEED = 256 * 1024;
/** The fastest: a fill is what the first client waits for. */
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };
const compressAtOnce = promisify(zstdCompress);

/** A small NAR as one zstd frame, of raw blocks where it is tiny or does not shrink by a tenth. */
export async function compressedWhole(nar: Bytes): Promise<Uint8Array> {
  const chunks = await Array.fromAsync(nar);
  const [first] = chunks;
  const bytes = chunks.length === 1 && first ? first : Buffer.concat(chunks);
  if (bytes.length < WORTH_A_CODEC) return rawFrame(bytes);
  const frame = await compressAtOnce(bytes, { params: PARAMS });
  return frame.length < bytes.length * 0.9 ? frame : rawFrame(bytes);
}

/** A NAR as zstd frames, piece by piece: stretches that do not shrink are frames of raw blocks, in memory that may be given back to {@link pieces}. */
export async function* compressed(nar: Bytes): AsyncGenerator<Uint8Array> {
  for await (const { shrinks, bytes } of stretches(nar)) {
    yield* shrinks ? through(packed(bytes, FEED, FEED), compressor()) : rawFramePieces(bytes, () => pieces.take());
  }
}

function compressor() {
  return createZstdCompress({ params: PARAMS, chunkSize: PIECE });
}
