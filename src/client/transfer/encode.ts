import { constants, createZstdCompress, type ZstdCompress } from "node:zlib";
import { type Bytes, Lookahead, packed, through } from "../../lib/bytes.ts";
import { SAMPLE, STRETCH, shrinks } from "../../lib/stretches.ts";
import { type Encoding, EncodingChoice, type Travelled } from "./encoding.ts";

/** A piece of a stream as it travels: bytes, or how those after it do. */
export type Encoded = Uint8Array | Encoding;

/** Bytes of a message, but for the last of those that travel alike. */
const LEAST = 64 << 10;
const MOST = 256 << 10;

/** Bytes in messages of 64 to 256 KiB, compressed where that pays. Begins with an encoding, and never has two without a stretch between. */
export async function* encode(source: Bytes): AsyncGenerator<Encoded> {
  const input = new Lookahead(source);
  let head = await input.peek(SAMPLE);
  const choice = new EncodingChoice(shrinks(head));
  try {
    do {
      const encoding = choice.current;
      yield encoding;
      const zip = encoding.startsWith("zstd") ? compressor(encoding) : undefined;
      const watch = new Stopwatch(zip);
      /** As long as they travel in the same way. What is shorter than a sample is the end, and not worth a change. */
      const alike = async function* () {
        do {
          yield* watch.taken(input.take(STRETCH));
          head = await input.peek(SAMPLE);
        } while (
          head.length > 0 &&
          (head.length < SAMPLE || choice.next(watch.lap(), () => shrinks(head)) === encoding)
        );
      };
      yield* watch.sent(packed(zip ? through(alike(), zip) : alike(), LEAST, MOST));
    } while (head.length > 0);
  } finally {
    await input.leave();
  }
}

const NOTHING: Travelled = { bytes: 0, wireBytes: 0, time: 0, linkTime: 0, sourceTime: 0 };

/** Counts bytes that travel in one way, and what was waited for. */
class Stopwatch {
  readonly #zip: ZstdCompress | undefined;
  readonly #begun = performance.now();
  #taken = 0;
  #sent = 0;
  #linkTime = 0;
  #sourceTime = 0;
  #before = NOTHING;

  constructor(zip: ZstdCompress | undefined) {
    this.#zip = zip;
  }

  /** Passes on what comes from the source. */
  async *taken(bytes: Bytes): AsyncGenerator<Uint8Array> {
    let asked = performance.now();
    for await (const piece of bytes) {
      this.#sourceTime += performance.now() - asked;
      this.#taken += piece.length;
      yield piece;
      asked = performance.now();
    }
  }

  /** Passes on what goes to the link. */
  async *sent(bytes: Bytes): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      const left = performance.now();
      yield piece;
      this.#linkTime += performance.now() - left;
      this.#sent += piece.length;
    }
  }

  /** What was counted since the last time. Of a compressor: what it has taken in, and made of that. */
  lap(): Travelled {
    const now = {
      bytes: this.#zip ? this.#zip.bytesWritten : this.#taken,
      wireBytes: this.#zip ? this.#sent + this.#zip.readableLength : this.#taken,
      time: performance.now() - this.#begun,
      linkTime: this.#linkTime,
      sourceTime: this.#sourceTime,
    };
    const before = this.#before;
    this.#before = now;
    return {
      bytes: now.bytes - before.bytes,
      wireBytes: now.wireBytes - before.wireBytes,
      time: now.time - before.time,
      linkTime: now.linkTime - before.linkTime,
      sourceTime: now.sourceTime - before.sourceTime,
    };
  }
}

function compressor(encoding: Encoding): ZstdCompress {
  const level = encoding === "zstd-3" ? 3 : 1;
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: 21 };
  return createZstdCompress({ params, chunkSize: LEAST });
}
