import { pipeline, Readable } from "node:stream";
import { constants, createZstdDecompress } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { Codec, Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { malformed } from "../path-infos.ts";
import { refuse } from "../refusal.ts";

/** 8 MiB: what the protocol allows, and the memory that a peer can make a stream take. */
const MAX_WINDOW_LOG = 23;
const PIECE = 256 * 1024;

/** Bytes of NAR between two codecs, at the least: each zstd stream costs a decoder. */
const LEAST = 1024 * 1024;

/** A piece of an encoded stream: bytes, or how those after it travel. */
export type Piece = Uint8Array | Codec;

/**
 * The bytes of a stream after its codecs. Takes no more of the source than its reader asks for, whatever that unfolds to.
 * Throws a refusal.
 */
export async function* decoded(first: Codec, source: AsyncIterable<Piece>): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  for (let codec: Codec | undefined = first; codec !== undefined; ) {
    const stretch: Stretch = { next: undefined };
    let size = 0;
    for await (const bytes of decodedBy(codec, bytesOf(pieces, stretch))) {
      size += bytes.length;
      yield bytes;
    }
    codec = stretch.next;
    if (codec !== undefined && size < LEAST) throw malformed("the codec changes before 1 MiB of NAR");
  }
}

interface Stretch {
  /** The codec that ended it. */
  next: Codec | undefined;
}

/** The bytes up to the next codec, which then stands in the stretch. */
async function* bytesOf(pieces: AsyncIterator<Piece>, stretch: Stretch): AsyncGenerator<Uint8Array> {
  for (let piece = await pieces.next(); !piece.done; piece = await pieces.next()) {
    if (typeof piece.value === "number") {
      stretch.next = piece.value;
      return;
    }
    yield piece.value;
  }
}

function decodedBy(codec: Codec, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (codec === Codec.NONE) return source;
  if (codec === Codec.ZSTD) return unzstd(source);
  throw malformed("the stream's codec is neither none nor zstd");
}

async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let broken: unknown;
  const watched = watch(source, error => {
    broken = error;
  });
  const decoder = createZstdDecompress({
    chunkSize: PIECE,
    params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
  });
  pipeline(Readable.from(watched, { objectMode: true, highWaterMark: 1 }), decoder, () => undefined);
  try {
    for await (const piece of decoder) yield piece;
  } catch (cause) {
    if (broken !== undefined) throw broken;
    throw refuse(Reason.MALFORMED, Code.InvalidArgument, "the stream is not zstd, or its window is larger than 8 MiB", {
      cause,
    });
  } finally {
    decoder.destroy();
  }
}

/** Remembers the source's own error, which the decoder would hide; not the decoder's, which Node throws into what it reads. */
async function* watch(
  source: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  const next = async () => {
    try {
      return await pieces.next();
    } catch (error) {
      onError(error);
      throw error;
    }
  };
  for (let piece = await next(); !piece.done; piece = await next()) yield piece.value;
}
