import type { ReadHalf, StreamError } from "../lib/stream.ts";
import type { RawRecv } from "./raw.ts";

/** What a half asks of its session. */
export interface HalfOwner {
  /** Translates an error, knowing how the session ended. */
  translate(error: unknown): StreamError;
  /** Is told of what must reach the peer before the session closes. Never rejects. */
  delivering(delivery: Promise<void>): void;
}

/** The reading half of a binding's stream. */
export class CarriedReadHalf implements ReadHalf {
  readonly #raw: RawRecv;
  readonly #owner: HalfOwner;
  readonly #ended: () => void;
  #error: StreamError | undefined;
  #done = false;
  #waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;

  constructor(raw: RawRecv, owner: HalfOwner, ended: () => void) {
    this.#raw = raw;
    this.#owner = owner;
    this.#ended = ended;
  }

  read(): Promise<Uint8Array | undefined> {
    // A binding may report the end or a reset once and look like a clean end ever after: the first answer stands.
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#done) return Promise.resolve(undefined);
    if (this.#waiting !== undefined) return Promise.reject(new Error("a read of this stream is already under way"));
    const waiting = Promise.withResolvers<Uint8Array | undefined>();
    this.#waiting = waiting;
    this.#raw.read().then(
      bytes => this.#arrived(bytes),
      error => this.#broke(error),
    );
    return waiting.promise;
  }

  stop(code: number): void {
    if (this.#done || this.#error !== undefined) return;
    this.#settle();
    this.#raw.stop(code);
  }

  #arrived(bytes: Uint8Array | undefined): void {
    if (this.#done) return;
    if (bytes === undefined) {
      this.#settle();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(bytes);
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
