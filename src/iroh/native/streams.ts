import { StreamError } from "../../lib/stream.ts";
import type { RawRecv, RawSend } from "../raw.ts";
import type { AddonStream } from "./addon.ts";
import type { Calls } from "./calls.ts";

/** The sending half of an addon's stream. */
export class AddonSend implements RawSend {
  readonly #calls: Calls;
  readonly #stream: AddonStream;

  constructor(calls: Calls, stream: AddonStream) {
    this.#calls = calls;
    this.#stream = stream;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#calls.call(call => this.#stream.write(call, bytes));
  }

  async finish(): Promise<void> {
    if (!this.#stream.finish()) throw new StreamError("closed", 0, "this side closed the stream");
  }

  delivered(): Promise<unknown> {
    return this.#calls.call(call => this.#stream.delivered(call));
  }

  reset(code: number): void {
    this.#stream.reset(code);
  }
}

/** The receiving half of an addon's stream. */
export class AddonRecv implements RawRecv {
  readonly #calls: Calls;
  readonly #stream: AddonStream;

  constructor(calls: Calls, stream: AddonStream) {
    this.#calls = calls;
    this.#stream = stream;
  }

  async read(): Promise<Uint8Array | undefined> {
    const buffer = await this.#calls.call<Uint8Array | undefined>(call => this.#stream.read(call));
    // A plain array, for a `Buffer` would go on into whatever is made of it, and its `slice` does not copy.
    return buffer && new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  stop(code: number): void {
    this.#stream.stop(code);
  }
}
