import { constants, zstdCompressSync } from "node:zlib";
import { type Bytes, Lookahead } from "./bytes.ts";

/** Bytes that are tried, at the beginning and after each {@link STRETCH}. */
export const SAMPLE = 256 << 10;
/** Bytes that travel as what was tried of them did best. */
export const STRETCH = 4 << 20;

/** A part of a stream. */
export interface Stretch {
  /** Whether compressing it pays. */
  readonly shrinks: boolean;
  /** To be read to its end before the next stretch is asked for. */
  readonly bytes: Bytes;
}

/**
 * Cuts bytes in stretches that shrink and such that do not, in turns; at least one. What is shorter than a sample is the end, and not worth a change:
 * it goes with what was before it.
 */
export async function* stretches(source: Bytes): AsyncGenerator<Stretch> {
  const input = new Lookahead(source);
  let head = await input.peek(SAMPLE);
  let shrinking = shrinks(head);
  async function* alike() {
    do {
      yield* input.take(STRETCH);
      head = await input.peek(SAMPLE);
    } while (head.length > 0 && (head.length < SAMPLE || shrinks(head) === shrinking));
  }
  try {
    do {
      yield { shrinks: shrinking, bytes: alike() };
      shrinking = !shrinking;
    } while (head.length > 0);
  } finally {
    await input.leave();
  }
}

/** What has fewer bytes is sent in no more time than a compressor takes to be made, at both ends, and would take no less of the disk. */
export const WORTH_A_CODEC = 4096;

/** Whether bytes shrink by a tenth at least, and are enough for that to matter. */
export function shrinks(bytes: Uint8Array): boolean {
  if (bytes.length < WORTH_A_CODEC) return false;
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length < bytes.length * 0.9;
}
