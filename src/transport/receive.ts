import { type ReadHalf, StreamCode } from "../lib/stream.ts";
import { cutOff } from "./errors.ts";
import { concat, type Frame, FrameDecoder, FrameError, FrameType } from "./frames.ts";
import { decodeEnd } from "./messages.ts";

/** Pieces of fewer bytes are joined. */
const SMALL = 4096;

/** Reads one direction of a call: HEAD, then DATA, then END. Reads from the stream only when asked: that is the back-pressure. */
export class CallReader {
  readonly #half: ReadHalf;
  readonly #what: "request" | "answer";
  readonly #decoder = new FrameDecoder();
  #frames: Frame[] = [];
  readonly #pieces: Uint8Array[] = [];
  #trailer: Headers | undefined;

  constructor(half: ReadHalf, what: "request" | "answer") {
    this.#half = half;
    this.#what = what;
  }

  /** The trailers, once END has been read. */
  get trailer(): Headers | undefined {
    return this.#trailer;
  }

  /** The payload of the HEAD frame. */
  async head(): Promise<Uint8Array> {
    while (this.#frames.length === 0) await this.#more();
    const frame = this.#frames.shift();
    if (frame?.type !== FrameType.head) throw new FrameError(`${this.#what} that does not begin with HEAD`);
    return frame.payload;
  }

  /**
   * The next bytes of the body, or `undefined` after END. Small frames that one read brought come as one array: many tiny ones must not become
   * many tiny chunks, for Connect walks the list of its chunks for each. Large ones come as they are.
   */
  async data(): Promise<Uint8Array | undefined> {
    while (this.#pieces.length === 0 && this.#trailer === undefined) {
      while (this.#frames.length === 0) await this.#more();
      for (const frame of this.#frames.splice(0)) this.#take(frame);
    }
    const [first] = this.#pieces;
    if (first === undefined) return undefined;
    let together = 0;
    while ((this.#pieces[together]?.length ?? SMALL) < SMALL) together++;
    return concat(this.#pieces.splice(0, Math.max(1, together)));
  }

  /** After END: waits for the clean end of the stream, which gives the carrier its credit back. Anything else is an error. */
  async rest(): Promise<void> {
    if (this.#decoder.midFrame || (await this.#half.read()) !== undefined) {
      this.#half.stop(StreamCode.internal);
      throw new FrameError(`bytes after the end of the ${this.#what}`);
    }
  }

  #take(frame: Frame): void {
    if (this.#trailer !== undefined) throw new FrameError(`frames after the end of the ${this.#what}`);
    if (frame.type === FrameType.data) this.#pieces.push(frame.payload);
    else if (frame.type === FrameType.end) this.#trailer = decodeEnd(frame.payload);
    else throw new FrameError(`frame of type ${frame.type} inside the ${this.#what}`);
  }

  async #more(): Promise<void> {
    const bytes = await this.#half.read();
    if (bytes === undefined) throw cutOff(this.#what);
    this.#frames = this.#decoder.feed(bytes).filter(frame => frame.type !== FrameType.idle);
  }
}
