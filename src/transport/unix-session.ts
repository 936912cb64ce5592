import type { Socket } from "node:net";
import { type Duplex, type Session, type SessionEnd, StreamError } from "../lib/stream.ts";
import { SocketDuplex } from "./unix-duplex.ts";

/** How long closing waits for what was written to be taken, in milliseconds. */
const closeMs = 1000;

/** What both sides of a Unix socket share: the open streams and the end. */
export abstract class UnixSession implements Session {
  readonly peer = undefined;
  readonly local = undefined;
  readonly calls = "one";
  readonly closed: Promise<SessionEnd>;
  readonly #streams = new Set<SocketDuplex>();
  readonly #settle: (end: SessionEnd) => void;
  protected ended = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.closed = promise;
    this.#settle = resolve;
  }

  abstract open(signal?: AbortSignal): Promise<Duplex>;
  abstract accept(): Promise<Duplex | undefined>;

  openUni(): Promise<never> {
    return Promise.reject(new StreamError("closed", 0, "a Unix socket has no one-way streams"));
  }

  async acceptUni(): Promise<undefined> {
    await this.closed;
  }

  async close(code = 0, reason = ""): Promise<void> {
    if (!this.ended) {
      this.ended = true;
      for (const stream of this.#streams) stream.destroySoon();
      const late = setTimeout(() => this.#resetAll(), closeMs);
      await Promise.all([...this.#streams].map(stream => stream.closed));
      clearTimeout(late);
      await this.release();
      this.#settle({ kind: "local", code, reason });
    }
    await this.closed;
  }

  protected abstract release(): Promise<void>;

  protected adopt(socket: Socket): SocketDuplex {
    const stream = new SocketDuplex(socket);
    this.#streams.add(stream);
    void stream.closed.then(() => this.#streams.delete(stream));
    return stream;
  }

  #resetAll(): void {
    for (const stream of this.#streams) stream.reset();
  }
}
