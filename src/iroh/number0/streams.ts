import type { RecvStream, SendStream } from "@number0/iroh/index.js";
import { StreamError } from "../../lib/stream.ts";
import type { RawRecv, RawSend } from "../raw.ts";
import { type ByteConverter, pieceBytes, readBytes } from "./bytes.ts";
import { streamError } from "./errors.ts";

/** The sending half. */
export class NumberZeroSend implements RawSend {
  readonly #native: SendStream;
  readonly #bytes: ByteConverter;
  #reset = false;

  constructor(native: SendStream, bytes: ByteConverter) {
    this.#native = native;
    this.#bytes = bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      if (this.#reset) throw new StreamError("closed", 0, "this side gave up sending");
      await this.#native.writeAll(this.#bytes.toNative(bytes.subarray(start, start + pieceBytes)));
    }
  }

  finish(): Promise<void> {
    return this.#native.finish();
  }

  delivered(): Promise<unknown> {
    return this.#native.stopped();
  }

  reset(code: number): void {
    this.#reset = true;
    // The native call waits for a pending write, so nobody waits for it; it fails only where the stream has ended already.
    this.#native.reset(BigInt(code)).catch(streamError);
  }
}

/** The receiving half. */
export class NumberZeroRecv implements RawRecv {
  readonly #native: RecvStream;
  readonly #bytes: ByteConverter;

  constructor(native: RecvStream, bytes: ByteConverter) {
    this.#native = native;
    this.#bytes = bytes;
  }

  async read(): Promise<Uint8Array | undefined> {
    const native = await this.#native.read(readBytes);
    return native.length === 0 ? undefined : this.#bytes.fromNative(native);
  }

  stop(code: number): void {
    // The native call waits for a pending read, so nobody waits for it; it fails only where the stream has ended already.
    this.#native.stop(BigInt(code)).catch(streamError);
  }
}
