import type { Socket } from "node:net";
import { type Duplex, StreamError } from "../lib/stream.ts";

/** How long a socket that is read no more may linger for its peer to end it, in milliseconds. */
const lingerMs = 5000;

/**
 * A connected socket (made with `allowHalfOpen`) as a stream. A socket has no codes: giving up either half destroys it, which the peer
 * sees as `lost`, or as a clean end if nothing was under way.
 */
export class SocketDuplex implements Duplex {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #broken: StreamError | undefined;
  #ended = false;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise(resolve => socket.once("close", () => resolve()));
    socket.on("readable", () => this.#onReadable());
    socket.on("end", () => {
      this.#ended = true;
      this.#wake?.();
    });
    socket.on("error", error => this.#break(new StreamError("lost", 0, error.message, { cause: error })));
    socket.on("close", () => this.#break(new StreamError("closed")));
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#stopped) return undefined;
      const chunk: unknown = this.#socket.read();
      if (chunk instanceof Uint8Array) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      if (this.#ended) return undefined;
      if (this.#broken !== undefined) throw this.#broken;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#wake?.();
    // What still comes is thrown away: closing a socket with unread bytes could cost the peer the end of what we sent.
    this.#onReadable();
    const linger = setTimeout(() => this.#socket.destroy(), lingerMs).unref();
    void this.closed.then(() => clearTimeout(linger));
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) reject(this.#writeError(this.#broken));
      else this.#socket.write(bytes, error => (error ? reject(this.#writeError(error)) : resolve()));
    });
  }

  async finish(): Promise<void> {
    if (this.#broken !== undefined && !this.#socket.writableFinished) throw this.#writeError(this.#broken);
    if (!this.#socket.writableEnded) this.#socket.end();
  }

  reset(): void {
    if (this.#socket.writableFinished) return;
    this.#break(new StreamError("closed"));
    this.#socket.destroy();
  }

  /** Lets go of the socket once what was written has been sent. */
  destroySoon(): void {
    this.#socket.destroySoon();
  }

  #onReadable(): void {
    if (this.#stopped) while (this.#socket.read() !== null);
    else this.#wake?.();
  }

  #break(error: StreamError): void {
    this.#broken ??= error;
    this.#wake?.();
  }

  #writeError(cause: Error): StreamError {
    if (this.#broken?.kind === "closed") return this.#broken;
    return new StreamError("lost", 0, cause.message, { cause });
  }
}
