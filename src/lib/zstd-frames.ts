/**
 * Frames of zstd (RFC 8878) without a codec: bytes as they are in frames that every zstd reads, and the other way round.
 * A frame: header, blocks (three bytes of header each: the lowest bit says the last, two bits the type, the rest the size), and four bytes of checksum where the
 * header says so.
 */

/** Begins a frame of raw blocks alone: zstd's mark, no checksum, no size, a window of 128 KiB. Nothing that packs begins so. */
const RAW_HEADER = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38);
/** The mark and what tells how long the header is: no frame has less. */
const SHORTEST_HEADER = 6;
const BLOCK_HEADER = 3;
/** Ends a frame: a raw block of nothing, the last. */
const LAST_BLOCK = Uint8Array.of(1, 0, 0);
const MAX_BLOCK = 128 * 1024;
const CHECKSUM = 4;
const BLOCK = { raw: 0, rle: 1 } as const;

/** What is no zstd, or none that this reads: frames that decoders skip are not among it. */
export class ZstdFormatError extends Error {
  override name = "ZstdFormatError";
}

/** Bytes as one frame, without packing them. */
export function rawFrame(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = Math.ceil(bytes.length / MAX_BLOCK);
  const frame = new Uint8Array(RAW_HEADER.length + bytes.length + count * BLOCK_HEADER + LAST_BLOCK.length);
  frame.set(RAW_HEADER);
  let end = RAW_HEADER.length;
  for (let at = 0; at < bytes.length; at += MAX_BLOCK) {
    const block = bytes.subarray(at, at + MAX_BLOCK);
    writeBlockHeader(frame, end, block.length);
    frame.set(block, end + BLOCK_HEADER);
    end += BLOCK_HEADER + block.length;
  }
  frame.set(LAST_BLOCK, end);
  return frame;
}

/**
 * The same piece by piece, each in what `memory` gives for it, which need not be zero and is all used but for the last: blocks and the pieces end together. So the memory
 * of each should hold some blocks of 128 KiB, their headers among them.
 */
export async function* rawFramePieces(
  source: AsyncIterable<Uint8Array>,
  memory: () => Uint8Array,
): AsyncGenerator<Uint8Array> {
  let piece = memory();
  piece.set(RAW_HEADER);
  let block = RAW_HEADER.length;
  let end = block + BLOCK_HEADER;
  let most = Math.min(piece.length, block + MAX_BLOCK);
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      if (end === most) {
        writeBlockHeader(piece, block, end - block - BLOCK_HEADER);
        if (end + BLOCK_HEADER >= piece.length) {
          yield piece.subarray(0, end);
          piece = memory();
          end = 0;
        }
        block = end;
        end += BLOCK_HEADER;
        most = Math.min(piece.length, block + MAX_BLOCK);
      }
      const part = chunk.subarray(at, at + most - end);
      piece.set(part, end);
      at += part.length;
      end += part.length;
    }
  }
  writeBlockHeader(piece, block, end - block - BLOCK_HEADER, true);
  yield piece.subarray(0, end);
}

function writeBlockHeader(into: Uint8Array, at: number, length: number, last = false): void {
  const header = (length << 3) | (BLOCK.raw << 1) | Number(last);
  into.set([header & 0xff, (header >> 8) & 0xff, header >> 16], at);
}

/** A piece of what frames are made of: bytes as they are, or such as a decoder must unpack. */
export interface FramePiece {
  readonly raw: boolean;
  /** The first of a frame for a decoder: each frame needs one of its own, for Node's stop at the end of the first. */
  readonly begins: boolean;
  readonly bytes: Uint8Array;
}

/** Tells frames made by {@link rawFrame} from others in bytes that come in pieces: of those the bytes come out, the others are given as they are. */
export class FrameReader {
  #next: "frame" | "block" = "frame";
  #raw = false;
  #begins = false;
  #checksum = 0;
  /** Bytes before that. */
  #left = 0;
  /** The beginning of a header. */
  #kept: Uint8Array = new Uint8Array();

  /** No frame is without its end. */
  get whole(): boolean {
    return this.#next === "frame" && this.#left === 0 && this.#kept.length === 0;
  }

  /** Throws {@link ZstdFormatError}; then it must not be fed again. */
  feed(chunk: Uint8Array): FramePiece[] {
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    const pieces: FramePiece[] = [];
    let given = 0;
    let at = 0;
    const give = (raw: boolean) => {
      if (at === given) return;
      pieces.push({ raw, begins: this.#begins, bytes: bytes.subarray(given, at) });
      this.#begins = false;
      given = at;
    };
    for (let rest = bytes; rest.length >= this.#need(); rest = bytes.subarray(at)) {
      if (this.#left > 0) {
        const length = Math.min(rest.length, this.#left);
        this.#left -= length;
        at += length;
        if (this.#raw) give(true);
      } else if (this.#next === "block") {
        this.#block(rest);
        at += BLOCK_HEADER;
      } else {
        give(false);
        this.#frame(rest);
        at += SHORTEST_HEADER;
      }
      if (this.#raw) given = at;
    }
    give(false);
    this.#kept = Uint8Array.from(bytes.subarray(at));
    return pieces;
  }

  #need(): number {
    if (this.#left > 0) return 1;
    return this.#next === "block" ? BLOCK_HEADER : SHORTEST_HEADER;
  }

  #frame(bytes: Uint8Array): void {
    if (RAW_HEADER.subarray(0, 4).some((byte, at) => byte !== bytes[at])) throw new ZstdFormatError("no frame of zstd");
    const [, , , , descriptor = 0] = bytes;
    this.#next = "block";
    this.#raw = RAW_HEADER.every((byte, at) => byte === bytes[at]);
    this.#begins = !this.#raw;
    this.#checksum = (descriptor & 4) === 0 ? 0 : CHECKSUM;
    const single = (descriptor >> 5) & 1;
    const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
    const size = [single, 2, 4, 8][descriptor >> 6] ?? 0;
    this.#left = 5 + (1 - single) + dictionary + size - SHORTEST_HEADER;
  }

  #block(bytes: Uint8Array): void {
    const [low = 0, middle = 0, high = 0] = bytes;
    const type = (low >> 1) & 3;
    const size = (low >> 3) | (middle << 5) | (high << 13);
    if (size > MAX_BLOCK) throw new ZstdFormatError("a block of more than 128 KiB");
    if (this.#raw && type !== BLOCK.raw) throw new ZstdFormatError("a packed block in a frame of raw ones");
    const last = (low & 1) === 1;
    this.#left = (type === BLOCK.rle ? 1 : size) + (last ? this.#checksum : 0);
    if (last) this.#next = "frame";
  }
}
