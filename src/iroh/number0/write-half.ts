import type { SendStream } from "@number0/iroh/index.js";
import { StreamError, type WriteHalf } from "../../lib/stream.ts";
import { pieceBytes } from "./bytes.ts";
import { streamError } from "./errors.ts";
import type { HalfOwner } from "./read-half.ts";

/** The writing half of a native stream. */
export class NativeWriteHalf implements WriteHalf {
  readonly #native: SendStream;
  readonly #owner: HalfOwner;
  readonly #ended: () => void;
  readonly #waiting = new Set<(error: StreamError) => void>();
  #tail: Promise<void> = Promise.resolve();
  #error: StreamError | undefined;
  #finishing: Promise<void> | undefined;
  #finished = false;

  constructor(native: SendStream, owner: HalfOwner, ended: () => void) {
    this.#native = native;
    this.#owner = owner;
    this.#ended = ended;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#finishing !== undefined) return Promise.reject(new StreamError("closed", 0, "the stream is finished"));
    return this.#inOrder(() => this.#send(bytes));
  }

  finish(): Promise<void> {
    if (this.#finishing === undefined) {
      this.#finishing = this.#inOrder(() => this.#finish());
      this.#owner.delivering(this.#delivery(this.#finishing));
    }
    return this.#finishing;
  }

  reset(code: number): void {
    if (this.#error !== undefined || this.#finished) return;
    this.#fail(new StreamError("closed", 0, "this side gave up sending"));
    // The native call waits for a pending write, so nobody waits for it; it fails only where the stream has ended already.
    this.#native.reset(BigInt(code)).catch(streamError);
  }

  /** One native call at a time, and a promise that a reset ends although the native call goes on. */
  #inOrder(step: () => Promise<void>): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.add(reject);
    this.#tail = this.#tail.then(step).then(
      () => {
        this.#waiting.delete(reject);
        resolve();
      },
      error => {
        this.#waiting.delete(reject);
        if (this.#error === undefined) this.#fail(this.#owner.translate(error));
        reject(this.#error);
      },
    );
    return promise;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      if (this.#error !== undefined) throw this.#error;
      await this.#native.writeAll(this.#owner.bytes.toNative(bytes.subarray(start, start + pieceBytes)));
    }
  }

  async #finish(): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    await this.#native.finish();
    this.#finished = true;
    this.#ended();
  }

  /** Settles when the peer's machine has everything, or when that can no longer be. */
  async #delivery(finishing: Promise<void>): Promise<void> {
    try {
      await finishing;
      await this.#native.stopped();
    } catch (error) {
      // Whoever finished has heard of it already, or closes the session for this very reason.
      streamError(error);
    }
  }

  #fail(error: StreamError): void {
    this.#error = error;
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
    this.#ended();
  }
}
