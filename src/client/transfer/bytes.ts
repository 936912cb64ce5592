import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Bytes in order. */
export type Bytes = AsyncIterable<Uint8Array>;

/** Sends bytes through a transform of Node, such as a compressor. */
export async function* through(source: Bytes, transform: Transform): AsyncGenerator<Uint8Array> {
  const fed = pipeline(source, transform);
  // A failure comes out of the iteration below; this only keeps it from counting as unhandled before.
  fed.catch(() => undefined);
  try {
    for await (const chunk of transform) yield chunk;
    await fed;
  } finally {
    transform.destroy();
  }
}

/** The same bytes in chunks of `least` to `most` bytes; the last may be smaller. None is empty. */
export async function* packed(source: Bytes, least: number, most: number): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    waiting.push(chunk);
    length += chunk.length;
    if (length < least) continue;
    yield* slices(waiting.length === 1 ? chunk : Buffer.concat(waiting), most);
    waiting = [];
    length = 0;
  }
  yield* slices(Buffer.concat(waiting), most);
}

function* slices(bytes: Uint8Array, most: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += most) yield bytes.subarray(at, at + most);
}

/** Reads at least `length` bytes ahead, if there are so many; `all` gives them again and then the rest. */
export async function peek(source: Bytes, length: number): Promise<{ head: Uint8Array; all: Bytes }> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  for (let have = 0; have < length; ) {
    const next = await iterator.next();
    if (next.done) break;
    chunks.push(next.value);
    have += next.value.length;
  }
  const head = Buffer.concat(chunks);
  async function* all() {
    try {
      yield* chunks.splice(0);
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, all: all() };
}
