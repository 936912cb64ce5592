import { padded } from "./encode.ts";
import { protocolError } from "./error.ts";

/** Bytes held before the source is asked to pause. */
const ENOUGH = 1024 * 1024;

/** What holds the bytes back. */
export interface Valve {
  pause(): void;
  resume(): void;
}

/** The daemon's bytes as they come, read in order by one reader. Nothing is allocated for a length that was not checked. */
export class ByteReader {
  readonly #valve: Valve;
  readonly #chunks: Uint8Array[] = [];
  #held = 0;
  #paused = false;
  #end: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(valve: Valve) {
    this.#valve = valve;
  }

  /** Takes bytes from the source. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const last = this.#chunks.at(-1);
    if (last && follows(last, chunk)) this.#chunks[this.#chunks.length - 1] = joined(last, chunk);
    else this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held >= ENOUGH && !this.#paused) {
      this.#paused = true;
      this.#valve.pause();
    }
    this.#wake?.();
  }

  /** No more bytes come: reads beyond those held throw this. */
  end(error: Error): void {
    this.#end ??= error;
    this.#wake?.();
  }

  /** At least one and at most `max` bytes. */
  async some(max: number): Promise<Uint8Array> {
    while (this.#chunks.length === 0) await this.#arrival();
    return this.#take(max);
  }

  /** Exactly this many bytes, which the caller has bounded. */
  async bytes(length: number): Promise<Buffer> {
    if (this.#has(length)) return viewOf(this.#take(length));
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0; missing -= (parts.at(-1) as Uint8Array).length) {
      parts.push(await this.some(missing));
    }
    return Buffer.concat(parts);
  }

  /** Any 64-bit number. */
  async big(): Promise<bigint> {
    const bytes = this.#has(8) ? viewOf(this.#take(8)) : await this.bytes(8);
    return bytes.readBigUInt64LE();
  }

  /** A number up to `max`. */
  async int(max = Number.MAX_SAFE_INTEGER): Promise<number> {
    const value = await this.big();
    if (value > BigInt(max)) throw protocolError(`the number ${value}, more than ${max}`);
    return Number(value);
  }

  /** A truth value: any number but 0 is true. */
  async bool(): Promise<boolean> {
    return (await this.big()) !== 0n;
  }

  /** A string of at most `max` bytes. */
  async string(max: number): Promise<string> {
    const length = await this.int(max);
    const bytes = await this.bytes(padded(length));
    if (bytes.subarray(length).some(byte => byte !== 0)) throw protocolError("a padding that is not zero");
    return bytes.toString("utf8", 0, length);
  }

  /** Whether so many bytes lie in one piece: then reading them needs no waiting, which is most of the time a small value takes. */
  #has(length: number): boolean {
    const first = this.#chunks[0];
    return first !== undefined && first.length >= length && length > 0;
  }

  /** At most `max` bytes of the first chunk, which is there. */
  #take(max: number): Uint8Array {
    const first = this.#chunks[0] as Uint8Array;
    const taken = first.length <= max ? first : first.subarray(0, max);
    if (taken === first) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(max);
    this.#held -= taken.length;
    if (this.#paused && this.#held < ENOUGH / 2) {
      this.#paused = false;
      this.#valve.resume();
    }
    return taken;
  }

  #arrival(): Promise<void> {
    if (this.#end) throw this.#end;
    return new Promise(resolve => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** Whether these bytes lie behind those in the same memory: then they are one chunk, which costs its readers one step instead of two. */
function follows(first: Uint8Array, next: Uint8Array): boolean {
  return first.buffer === next.buffer && first.byteOffset + first.length === next.byteOffset;
}

function joined(first: Uint8Array, next: Uint8Array): Uint8Array {
  return new Uint8Array(first.buffer, first.byteOffset, first.length + next.length);
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
