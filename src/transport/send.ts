import type { WriteHalf } from "../lib/stream.ts";
import { encodeFrameHeader, FrameType, frameHeaderBytes } from "./frames.ts";

/** What one write of small things takes; one frame of another type than DATA is not longer with its header. */
const roomBytes = 64 * 1024 + frameHeaderBytes;
/** Room for the first writes: most calls are small, and a write of theirs is one of few. */
const firstRoomBytes = 4 * 1024;
/** Chunks from this size on are written as they are, not copied. */
const largeBytes = 32 * 1024;
/** Most bytes of one DATA frame that we send, and of one write: larger ones make calls beside a bulk transfer wait. */
const pieceBytes = 256 * 1024;

/**
 * Writes one direction of a call. What is ready at once goes out in one write (a small call is a single one); what is not is never waited
 * for with something in hand. No chunk is looked at any more once the next is asked for.
 */
export async function sendCall(
  half: WriteHalf,
  head: Uint8Array,
  body: AsyncIterator<Uint8Array>,
  end: () => Uint8Array,
): Promise<void> {
  const batch = new Batch(half);
  await batch.add(head);
  for (;;) {
    const next = body.next();
    if (batch.bytes > 0 && !(await settlesNow(next))) await batch.flush();
    const { done, value } = await next;
    if (done === true) break;
    for (let at = 0; at < value.length; at += pieceBytes) {
      await batch.addData(value.subarray(at, at + pieceBytes));
    }
  }
  await batch.add(end());
  await batch.flush();
}

/** What goes out in one write. The bytes of all writes are laid into the same memory: a write has copied or sent them when it settles. */
class Batch {
  readonly #half: WriteHalf;
  #room = new Uint8Array(0);
  bytes = 0;

  constructor(half: WriteHalf) {
    this.#half = half;
  }

  /** A whole frame. */
  async add(frame: Uint8Array): Promise<void> {
    if (this.bytes + frame.length > roomBytes) await this.flush();
    this.#lay(frame);
  }

  /** A DATA frame with these bytes. */
  async addData(bytes: Uint8Array): Promise<void> {
    if (this.bytes + frameHeaderBytes + bytes.length > roomBytes && bytes.length < largeBytes) await this.flush();
    this.#lay(encodeFrameHeader(FrameType.data, bytes.length));
    if (bytes.length < largeBytes) return this.#lay(bytes);
    // Both at once: who else writes to this half must not come between a frame's header and its bytes.
    await Promise.all([this.flush(), this.#half.write(bytes)]);
  }

  #lay(bytes: Uint8Array): void {
    const needed = this.bytes + bytes.length;
    if (this.#room.length < needed) this.#grow(needed);
    this.#room.set(bytes, this.bytes);
    this.bytes = needed;
  }

  #grow(needed: number): void {
    // A header of a large frame comes behind what fills the room.
    const room = new Uint8Array(needed <= firstRoomBytes ? firstRoomBytes : roomBytes + frameHeaderBytes);
    room.set(this.#room.subarray(0, this.bytes));
    this.#room = room;
  }

  async flush(): Promise<void> {
    if (this.bytes === 0) return;
    const { bytes } = this;
    this.bytes = 0;
    await this.#half.write(this.#room.subarray(0, bytes));
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
