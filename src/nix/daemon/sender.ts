import { Failure } from "../../lib/failure.ts";
import type { PathInfo } from "../path-info.ts";
import type { NarItem } from "../store.ts";
import type { StorePath } from "../store-path.ts";
import { encode } from "./encode.ts";
import { Limit, Op } from "./protocol.ts";
import { checked } from "./queries.ts";
import { StoppableSource } from "./stoppable.ts";
import type { Wire } from "./wire.ts";

/** An archive of which the first bytes are on their way. */
export interface Sent {
  readonly path: StorePath;
  readonly size: number;
  /** Its end was never sent, so the daemon will refuse it. */
  givenUp: boolean;
}

/** Sent and not yet acknowledged: as many archives, or as many bytes beside one, and the sender waits. */
const WINDOW = { archives: 256, bytes: 16 * 1024 * 1024 } as const;

/** Writes archives to a daemon in the background. */
export class Sender {
  readonly #wire: Wire;
  readonly #dontCheckSignatures: boolean;
  readonly #items: StoppableSource<NarItem>;
  #current: StoppableSource<Uint8Array> | undefined;
  readonly #unread: Sent[] = [];
  readonly #window = { archives: 0, bytes: 0 };
  #stopped = false;
  #ended = false;
  #error: { readonly value: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(wire: Wire, items: AsyncIterable<NarItem>, dontCheckSignatures: boolean) {
    this.#wire = wire;
    this.#dontCheckSignatures = dontCheckSignatures;
    this.#items = new StoppableSource(items);
    void this.#run();
  }

  /** The next archive whose reply is to be read, or `undefined` when there are no more. */
  async next(): Promise<Sent | undefined> {
    while (this.#unread.length === 0 && !this.#ended) await this.#changed.promise;
    return this.#unread.shift();
  }

  /** A reply was read: there is more room in the window. */
  acknowledge({ size }: Sent): void {
    this.#window.archives--;
    this.#window.bytes -= size;
    this.#notify();
  }

  /** Sends nothing more; gives up what it is sending, for this reason. May be repeated. */
  stop(reason?: Error): void {
    if (reason) this.#error ??= { value: reason };
    this.#stopped = true;
    this.#items.stop();
    this.#current?.stop();
    this.#notify();
  }

  /** Throws what the items threw, or why it was stopped. */
  rethrow(): void {
    if (this.#error) throw this.#error.value;
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #run(): Promise<void> {
    try {
      for (let item = await this.#items.next(); item; item = await this.#items.next()) {
        await this.#room();
        await this.#send(item);
      }
    } catch (value) {
      this.#error ??= { value };
      this.#items.stop();
    } finally {
      this.#ended = true;
      this.#notify();
    }
  }

  async #room(): Promise<void> {
    const full = () => this.#window.archives >= WINDOW.archives || this.#window.bytes >= WINDOW.bytes;
    while (full() && !this.#stopped) await this.#changed.promise;
  }

  /**
   * The last chunk is held back until the source has ended well: without it the daemon cannot take the archive, whatever goes wrong.
   * Nothing is sent before the first chunk is there: the daemon locks the path from then on.
   */
  async #send({ info, nar }: NarItem): Promise<void> {
    const chunks = new StoppableSource(nar);
    this.#current = chunks;
    if (this.#stopped) chunks.stop();
    let sent: Sent | undefined;
    try {
      let held: Uint8Array | undefined;
      let size = 0;
      for (let chunk = await chunks.next(); chunk; chunk = await chunks.next()) {
        if (chunk.length === 0) continue;
        size += chunk.length;
        if (size > info.narSize) throw wrongLength(info, `has more than the ${info.narSize} bytes that were announced`);
        if (held) sent = await this.#frames(info, sent, held);
        held = chunk;
      }
      if (this.#stopped) throw new Failure("cancelled", "this machine", `adding ${info.path} was given up`);
      if (size !== info.narSize) throw wrongLength(info, `ends after ${size} of ${info.narSize} bytes`);
      await this.#frames(info, sent, held, true);
    } catch (error) {
      if (sent) {
        sent.givenUp = true;
        await this.#wire.write(encode(0));
      }
      throw error;
    } finally {
      chunks.stop();
      this.#current = undefined;
    }
  }

  async #frames(info: PathInfo, sent: Sent | undefined, bytes: Uint8Array | undefined, last = false): Promise<Sent> {
    const parts = sent ? [] : [addRequest(info, this.#dontCheckSignatures)];
    for (let at = 0; bytes && at < bytes.length; at += Limit.frame) {
      const frame = bytes.subarray(at, at + Limit.frame);
      parts.push(encode(frame.length), Buffer.from(frame.buffer, frame.byteOffset, frame.length));
    }
    if (last) parts.push(encode(0));
    const begun = sent ?? this.#begun(info);
    await this.#wire.write(...parts);
    return begun;
  }

  #begun(info: PathInfo): Sent {
    const sent = { path: info.path, size: info.narSize, givenUp: false };
    this.#window.archives++;
    this.#window.bytes += sent.size;
    this.#unread.push(sent);
    this.#notify();
    return sent;
  }
}

function addRequest(info: PathInfo, dontCheckSignatures: boolean): Buffer {
  return encode(
    Op.addToStoreNar,
    checked(info.path),
    info.deriver ? checked(info.deriver) : "",
    info.narHash,
    info.references.map(checked),
    0, // registered now
    info.narSize,
    0, // ultimate: never from here
    info.signatures,
    info.ca ?? "",
    0, // repair: never
    dontCheckSignatures,
  );
}

function wrongLength(info: PathInfo, what: string): Failure {
  return new Failure("failed", "this machine", `the archive of ${info.path} ${what}`, { reason: "nar-wrong-length" });
}
