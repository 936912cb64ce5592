import type { RecvStream } from "@number0/iroh/index.js";
import type { ReadHalf, StreamError } from "../../lib/stream.ts";
import { type ByteConverter, pieceBytes } from "./bytes.ts";
import { streamError } from "./errors.ts";

/** What a half asks of its session. */
export interface HalfOwner {
  readonly bytes: ByteConverter;
  /** Translates an error, knowing how the session ended. */
  translate(error: unknown): StreamError;
  /** Is told of what must reach the peer before the session closes. Never rejects. */
  delivering(delivery: Promise<void>): void;
}

/** The reading half of a native stream. */
export class NativeReadHalf implements ReadHalf {
  readonly #native: RecvStream;
  readonly #owner: HalfOwner;
  readonly #ended: () => void;
  #error: StreamError | undefined;
  #done = false;
  #waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;

  constructor(native: RecvStream, owner: HalfOwner, ended: () => void) {
    this.#native = native;
    this.#owner = owner;
    this.#ended = ended;
  }

  read(): Promise<Uint8Array | undefined> {
    // The native stream reports its end or its reset once and looks like a clean end ever after: the first answer stands.
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#done) return Promise.resolve(undefined);
    if (this.#waiting !== undefined) return Promise.reject(new Error("a read of this stream is already under way"));
    const waiting = Promise.withResolvers<Uint8Array | undefined>();
    this.#waiting = waiting;
    this.#native.read(pieceBytes).then(
      native => this.#arrived(native),
      error => this.#broke(error),
    );
    return waiting.promise;
  }

  stop(code: number): void {
    if (this.#done || this.#error !== undefined) return;
    this.#settle();
    // The native call waits for a pending read, so nobody waits for it; it fails only where the stream has ended already.
    this.#native.stop(BigInt(code)).catch(streamError);
  }

  #arrived(native: number[]): void {
    if (this.#done) return;
    if (native.length === 0) {
      this.#settle();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(this.#owner.bytes.fromNative(native));
  }

  #broke(error: unknown): void {
    if (this.#done) return;
    this.#error = this.#owner.translate(error);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#error);
    this.#ended();
  }

  #settle(): void {
    this.#done = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(undefined);
    this.#ended();
  }
}
