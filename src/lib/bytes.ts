import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Bytes in order. */
export type Bytes = AsyncIterable<Uint8Array>;

/** Sends bytes through a transform of Node, such as a compressor. */
export async function* through(source: Bytes, transform: Transform): AsyncGenerator<Uint8Array> {
  let failed: { readonly error: unknown } | undefined;
  async function* watched() {
    try {
      yield* source;
    } catch (error) {
      failed = { error };
      throw error;
    }
  }
  const fed = pipeline(watched, transform);
  // A failure comes out of the iteration below; this only keeps it from counting as unhandled before.
  fed.catch(() => undefined);
  try {
    for await (const chunk of transform) yield chunk;
    await fed;
  } catch (error) {
    // Where the source fails the transform is only told to end.
    throw failed === undefined ? error : failed.error;
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

/** Bytes that can be looked at before they are taken. */
export class Lookahead {
  readonly #source: AsyncIterator<Uint8Array>;
  #ahead: Uint8Array[] = [];

  constructor(source: Bytes) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next bytes, exactly so many where there are. They stay. */
  async peek(length: number): Promise<Uint8Array> {
    for (let have = total(this.#ahead); have < length; ) {
      const next = await this.#read();
      if (next === undefined) break;
      this.#ahead.push(next);
      have += next.length;
    }
    const [first] = this.#ahead;
    return (this.#ahead.length === 1 && first ? first : Buffer.concat(this.#ahead)).subarray(0, length);
  }

  /** Takes so many bytes, fewer at the end. */
  async *take(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; ) {
      const next = this.#ahead.shift() ?? (await this.#read());
      if (next === undefined) return;
      if (next.length > left) this.#ahead.unshift(next.subarray(left));
      const piece = next.subarray(0, left);
      left -= piece.length;
      yield piece;
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    const next = await this.#source.next();
    return next.done ? undefined : next.value;
  }

  /** Takes no more: the source may clean up. */
  async leave(): Promise<void> {
    await this.#source.return?.();
  }
}

function total(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
