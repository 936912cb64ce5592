import type { WriteHalf } from "../lib/stream.ts";
import { encodeFrameHeader, FrameType } from "./frames.ts";

/** Most bytes of one DATA frame that we send, and about what one write takes: larger ones make calls beside a bulk transfer wait. */
const pieceBytes = 64 * 1024;

/**
 * Writes one direction of a call. What is ready at once goes out in one write (a small call is a single one); what is not is never waited
 * for with something in hand.
 */
export async function sendCall(
  half: WriteHalf,
  head: Uint8Array,
  body: AsyncIterator<Uint8Array>,
  end: () => Uint8Array,
): Promise<void> {
  const batch = new Batch(half);
  batch.add(head);
  for (;;) {
    const next = body.next();
    if (!(await settlesNow(next))) await batch.flush();
    const { done, value } = await next;
    if (done === true) break;
    for (let at = 0; at < value.length; at += pieceBytes) {
      const piece = value.subarray(at, at + pieceBytes);
      batch.add(encodeFrameHeader(FrameType.data, piece.length));
      batch.add(piece);
      if (batch.bytes >= pieceBytes) await batch.flush();
    }
  }
  batch.add(end());
  await batch.flush();
}

/** What goes out in one write. The bytes of all writes are laid into the same memory: a write has copied or sent them when it settles. */
class Batch {
  readonly #half: WriteHalf;
  #parts: Uint8Array[] = [];
  #room = new Uint8Array(0);
  bytes = 0;

  constructor(half: WriteHalf) {
    this.#half = half;
  }

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.bytes += part.length;
  }

  async flush(): Promise<void> {
    if (this.bytes === 0) return;
    if (this.#room.length < this.bytes) this.#room = new Uint8Array(this.bytes);
    let at = 0;
    for (const part of this.#parts) {
      this.#room.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.bytes = 0;
    await this.#half.write(this.#room.subarray(0, at));
  }
}

function settlesNow(promise: Promise<unknown>): Promise<boolean> {
  return new Promise(resolve => {
    const soon = setImmediate(resolve, false);
    const settled = () => {
      clearImmediate(soon);
      resolve(true);
    };
    promise.then(settled, settled);
  });
}
