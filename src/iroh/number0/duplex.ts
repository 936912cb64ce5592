import type { BiStream } from "@number0/iroh/index.js";
import type { Duplex } from "../../lib/stream.ts";
import { type HalfOwner, NativeReadHalf } from "./read-half.ts";
import { NativeWriteHalf } from "./write-half.ts";

/** A native bidirectional stream. */
export class NativeDuplex implements Duplex {
  readonly closed: Promise<void>;
  readonly #reader: NativeReadHalf;
  readonly #writer: NativeWriteHalf;
  readonly #close: () => void;

  constructor(native: BiStream, owner: HalfOwner, ended: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
    let open = 2;
    const halfEnded = () => {
      open -= 1;
      if (open > 0) return;
      resolve();
      ended();
    };
    this.#reader = new NativeReadHalf(native.recv, owner, halfEnded);
    this.#writer = new NativeWriteHalf(native.send, owner, halfEnded);
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#reader.read();
  }

  stop(code: number): void {
    this.#reader.stop(code);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  finish(): Promise<void> {
    return this.#writer.finish();
  }

  reset(code: number): void {
    this.#writer.reset(code);
  }

  /** The session is over, so this is too; what has already arrived can still be read. */
  sessionEnded(): void {
    this.#close();
  }
}
