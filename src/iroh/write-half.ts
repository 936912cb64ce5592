import { StreamError, type WriteHalf } from "../lib/stream.ts";
import type { RawSend } from "./raw.ts";
import type { HalfOwner } from "./read-half.ts";

/** The writing half of a binding's stream. */
export class CarriedWriteHalf implements WriteHalf {
  readonly #raw: RawSend;
  readonly #owner: HalfOwner;
  readonly #ended: () => void;
  readonly #waiting = new Set<(error: StreamError) => void>();
  #tail: Promise<void> = Promise.resolve();
  #error: StreamError | undefined;
  #finishing: Promise<void> | undefined;
  #finished = false;

  constructor(raw: RawSend, owner: HalfOwner, ended: () => void) {
    this.#raw = raw;
    this.#owner = owner;
    this.#ended = ended;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#finishing !== undefined) return Promise.reject(new StreamError("closed", 0, "the stream is finished"));
    return this.#inOrder(() => this.#raw.write(bytes));
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
    this.#raw.reset(code);
  }

  /** One call of the binding at a time, and a promise that a reset ends although the binding's call goes on. */
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

  async #finish(): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    await this.#raw.finish();
    this.#finished = true;
    this.#ended();
  }

  /** Settles when the peer's machine has everything, or when that can no longer be. */
  async #delivery(finishing: Promise<void>): Promise<void> {
    try {
      await finishing;
      await this.#raw.delivered();
    } catch {
      // Whoever finished has heard of it already, or closes the session for this very reason.
    }
  }

  #fail(error: StreamError): void {
    this.#error = error;
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
    this.#ended();
  }
}
