import { constants, createZstdDecompress } from "node:zlib";
import { type Bytes, through } from "../../lib/bytes.ts";
import { type FramePiece, FrameReader, ZstdFormatError } from "../../lib/zstd-frames.ts";

/** Bytes that come out of a decoder at once: each time costs a change of threads. */
const CHUNK = 128 << 10;
/** Most memory that a frame may make its decoder take: 8 MiB. */
export const WINDOW = { [constants.ZSTD_d_windowLogMax]: 23 };
/** Bytes for each decoder, at the least: a builder that makes more packed frames is up to something. */
const LEAST = 1 << 20;

/**
 * What `size` bytes were before they were put into frames of zstd. Raw ones pass as they are. `tell` hears when packed and raw change. Throws a
 * {@link ZstdFormatError}, or an error of zlib.
 */
export async function* unframed(source: Bytes, size: number, tell: (raw: boolean) => void): Bytes {
  const input = new Pieces(source);
  try {
    let before: boolean | undefined;
    let decoders = 0;
    for (let piece = await input.peek(); piece !== undefined; piece = await input.peek()) {
      if (piece.raw !== before) tell(piece.raw);
      before = piece.raw;
      if (piece.raw) {
        input.take();
        yield piece.bytes;
        continue;
      }
      decoders += 1;
      if (decoders > 2 + size / LEAST) throw new ZstdFormatError("too many packed frames");
      yield* through(input.packed(), createZstdDecompress({ params: WINDOW, chunkSize: CHUNK }));
    }
  } finally {
    await input.leave();
  }
}

/** The pieces of frames, of which the next can be looked at before it is taken. */
class Pieces {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #reader = new FrameReader();
  #waiting: FramePiece[] = [];

  constructor(source: Bytes) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next piece, which stays; `undefined` at the end. */
  async peek(): Promise<FramePiece | undefined> {
    while (this.#waiting.length === 0) {
      const next = await this.#source.next();
      if (!next.done) this.#waiting = this.#reader.feed(next.value);
      else if (this.#reader.whole) return undefined;
      else throw new ZstdFormatError("a frame without its end");
    }
    return this.#waiting[0];
  }

  /** Takes what was looked at. */
  take(): void {
    this.#waiting.shift();
  }

  /** Takes the pieces of one frame for a decoder. */
  async *packed(): Bytes {
    let piece = await this.peek();
    do {
      this.take();
      if (piece !== undefined) yield piece.bytes;
      piece = await this.peek();
    } while (piece?.raw === false && !piece.begins);
  }

  /** Takes no more: the source may clean up. */
  async leave(): Promise<void> {
    await this.#source.return?.();
  }
}
