import { randomBytes } from "node:crypto";

/** Bytes of one piece, as streams and sockets hand them on. */
export const PIECE = 64 * 1024;
export const MEGABYTE = 1e6;

/** Random bytes, or a third random and the rest zeros. */
export function someBytes(length: number, compressible = false): Buffer {
  const bytes = randomBytes(length);
  if (!compressible) return bytes;
  for (let at = 0; at < length; at += 3 * PIECE) bytes.fill(0, at + PIECE, Math.min(at + 3 * PIECE, length));
  return bytes;
}

/** Bytes in pieces. */
export async function* inPieces(bytes: Uint8Array, size = PIECE): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Reads to the end; how many bytes there were. */
export async function lengthOf(source: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const piece of source) length += piece.length;
  return length;
}
