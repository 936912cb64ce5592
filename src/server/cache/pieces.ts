import type { FileHandle } from "node:fs/promises";

/** Most bytes of one piece of a file, which is one message: as many as the wire allows. */
export const PIECE = 256 * 1024;
/** Memory that is kept for the next piece. */
const KEPT = 16;

/** Bytes that somebody reads. Whoever is done with them says so, once: then their memory may hold others. Who never says it leaves it to the collector. */
export interface Lent {
  readonly bytes: Uint8Array;
  done(): void;
}

/**
 * Memory for pieces, used again and again: memory that is new for each makes V8 look through all it holds for what of it is garbage, every 40 MiB of them, which took a
 * quarter of a transfer's CPU time.
 */
export class Pieces {
  readonly #free: Uint8Array[] = [];
  /** What was taken and not given back. */
  readonly #taken = new WeakSet<ArrayBufferLike>();

  /** Memory for a piece; what is in it is of no meaning. */
  take(): Uint8Array {
    const piece = this.#free.pop() ?? new Uint8Array(Buffer.allocUnsafeSlow(PIECE).buffer);
    this.#taken.add(piece.buffer);
    return piece;
  }

  /** Gives memory back, which nobody may look at any more. What did not come from here, or is back already, is left alone. */
  give(piece: Uint8Array): void {
    if (this.#taken.delete(piece.buffer) && this.#free.length < KEPT) this.#free.push(new Uint8Array(piece.buffer));
  }
}

/** The memory of this process. */
export const pieces = new Pieces();

/** Reads bytes of a file, fewer at its end. */
export async function readPiece(file: FileHandle, position: number, length: number): Promise<Lent> {
  const memory = length > 0 && length <= PIECE ? pieces.take() : new Uint8Array(length);
  // Where it fails the disk may still be writing into it: then it is not given back.
  const { bytesRead } = length > 0 ? await file.read(memory, 0, length, position) : { bytesRead: 0 };
  return { bytes: memory.subarray(0, bytesRead), done: () => pieces.give(memory) };
}
