import type { Duplex } from "../lib/stream.ts";
import type { RawStream } from "./raw.ts";
import { CarriedReadHalf, type HalfOwner } from "./read-half.ts";
import { CarriedWriteHalf } from "./write-half.ts";

/** A bidirectional stream of a binding. */
export class CarriedDuplex implements Duplex {
  readonly closed: Promise<void>;
  readonly #reader: CarriedReadHalf;
  readonly #writer: CarriedWriteHalf;
  readonly #close: () => void;

  constructor({ send, recv }: RawStream, owner: HalfOwner, ended: () => void) {
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
    this.#reader = new CarriedReadHalf(recv, owner, halfEnded);
    this.#writer = new CarriedWriteHalf(send, owner, halfEnded);
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
