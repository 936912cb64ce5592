import type { Store, StoreEvent } from "../store.ts";
import type { ByteReader } from "./bytes.ts";
import { Refusal } from "./error.ts";
import { readReply } from "./reply.ts";
import { Turns } from "./turns.ts";
import type { Wire } from "./wire.ts";

/** What a daemon says of itself when a conversation begins. */
export interface Greeting {
  /** The protocol in use, as `(major << 8) | minor`. */
  readonly protocol: number;
  readonly nixVersion: string;
  readonly trust: Store["trust"];
}

/** A conversation with a daemon after its greeting: one operation, or one pipelined run of them, at a time. */
export class Connection {
  readonly wire: Wire;
  readonly greeting: Greeting;
  readonly #turns = new Turns();

  constructor(wire: Wire, greeting: Greeting) {
    this.wire = wire;
    this.greeting = greeting;
    wire.onEnd(error => this.#turns.end(error));
  }

  /** Waits for all that was begun before; the caller has the wire until it calls what it gets. */
  async begin(): Promise<() => void> {
    return this.#turns.take();
  }

  /** Runs one operation alone. After an error that is not the daemon's refusal the bytes are out of step: the connection ends. */
  async exclusive<T>(operation: (wire: Wire) => Promise<T>): Promise<T> {
    const done = await this.begin();
    try {
      return await operation(this.wire);
    } catch (error) {
      if (!(error instanceof Refusal)) this.wire.destroy();
      throw error;
    } finally {
      done();
    }
  }

  /** One request and its reply. */
  async ask<T>(request: Uint8Array, read: (from: ByteReader) => Promise<T>, onEvent?: (event: StoreEvent) => void) {
    return this.exclusive(async wire => {
      await wire.write(request);
      return expectReply(wire.reader, read, onEvent);
    });
  }

  /**
   * Many requests, written while the replies are read, in order: no round trip each. A refusal is thrown once all replies are read, so that the
   * connection stays in step.
   */
  async pipeline<I, T>(
    items: readonly I[],
    request: (item: I) => Uint8Array,
    read: (from: ByteReader, item: I) => Promise<T>,
  ): Promise<T[]> {
    return this.exclusive(async wire => {
      const [, results] = await Promise.all([writeAll(wire, items, request), readAll(wire, items, read)]);
      return results;
    });
  }
}

/** The fields of a reply. Throws the daemon's refusal. */
export async function expectReply<T>(
  from: ByteReader,
  read: (from: ByteReader) => Promise<T>,
  onEvent?: (event: StoreEvent) => void,
): Promise<T> {
  const refused = await readReply(from, onEvent);
  if (refused) throw refused;
  return read(from);
}

/** Requests that are handed to the socket together. */
const BATCH = 64;

async function writeAll<I>(wire: Wire, items: readonly I[], request: (item: I) => Uint8Array): Promise<void> {
  for (let at = 0; at < items.length; at += BATCH) {
    await wire.write(...items.slice(at, at + BATCH).map(request));
  }
}

async function readAll<I, T>(wire: Wire, items: readonly I[], read: (from: ByteReader, item: I) => Promise<T>) {
  const results: T[] = [];
  let refused: Refusal | undefined;
  for (const item of items) {
    const refusal = await readReply(wire.reader);
    if (refusal) refused ??= refusal;
    else results.push(await read(wire.reader, item));
  }
  if (refused) throw refused;
  return results;
}
