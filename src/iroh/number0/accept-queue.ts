import type { Connection, Endpoint, Incoming } from "@number0/iroh/index.js";
import { settledWithin } from "../within.ts";
import { streamError } from "./errors.ts";

/** Handshakes at once; one more peer is refused. */
const handshakeLimit = 64;
/** Milliseconds until a handshake is given up. */
const handshakeTime = 10_000;

/** Takes the connections that peers open. A peer that fails its handshake, or never ends it, holds up nobody. */
export class AcceptQueue<T> {
  readonly #endpoint: Endpoint;
  readonly #admits: () => boolean;
  readonly #made: (connection: Connection) => T;
  readonly #ready: T[] = [];
  readonly #waiting: ((session: T | undefined) => void)[] = [];
  #handshakes = 0;
  #running = false;
  #ended = false;

  /** `admits` says whether there is room for one more; `made` turns a native connection into what is handed out. */
  constructor(endpoint: Endpoint, admits: () => boolean, made: (connection: Connection) => T) {
    this.#endpoint = endpoint;
    this.#admits = admits;
    this.#made = made;
  }

  next(): Promise<T | undefined> {
    const ready = this.#ready.shift();
    if (ready !== undefined || this.#ended) return Promise.resolve(ready);
    if (!this.#running) void this.#run();
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    this.#waiting.push(resolve);
    return promise;
  }

  end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (;;) {
      const incoming = await this.#endpoint.acceptNext().catch(streamError);
      if (incoming === null || incoming instanceof Error) return this.end();
      if (this.#handshakes < handshakeLimit && this.#admits()) void this.#handshake(incoming);
      else incoming.refuse().catch(streamError);
    }
  }

  async #handshake(incoming: Incoming): Promise<void> {
    this.#handshakes += 1;
    let late = false;
    const shaking = incoming
      .accept()
      .then(accepting => accepting.connect())
      .then(connection => (late ? connection.close(0n, []) : this.#deliver(connection)))
      .catch(streamError);
    await settledWithin(handshakeTime, shaking);
    late = true;
    this.#handshakes -= 1;
  }

  #deliver(connection: Connection): void {
    if (this.#ended) {
      connection.close(0n, []);
      return;
    }
    const session = this.#made(connection);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#ready.push(session);
    else waiting(session);
  }
}
