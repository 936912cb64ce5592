import type { EndpointId } from "../lib/ids.ts";
import { type Duplex, type ReadHalf, type SessionEnd, StreamError, type WriteHalf } from "../lib/stream.ts";
import { CarriedDuplex } from "./duplex.ts";
import type { IrohSession, SessionPath, SessionStatistics } from "./interface.ts";
import type { RawConnection, RawSend, RawStream } from "./raw.ts";
import { CarriedReadHalf, type HalfOwner } from "./read-half.ts";
import { settledWithin } from "./within.ts";
import { CarriedWriteHalf } from "./write-half.ts";

/** Milliseconds for which a close waits for the peer to acknowledge what was finished. */
const drainLimit = 5000;
const reasonBytes = 256;

/** A session over one connection of a binding. */
export class CarriedSession implements IrohSession, HalfOwner {
  readonly calls = "many";
  readonly peer: EndpointId;
  readonly local: EndpointId;
  readonly alpn: string;
  readonly closed: Promise<SessionEnd>;
  readonly #raw: RawConnection;
  readonly #ending = Promise.withResolvers<SessionEnd>();
  /** Every open stream: a binding's stream that is collected may look to the peer like one that ended well. */
  readonly #streams = new Set<CarriedDuplex | CarriedWriteHalf | CarriedReadHalf>();
  readonly #deliveries = new Set<Promise<void>>();
  #end: SessionEnd | undefined;
  #closing: Promise<void> | undefined;

  constructor(raw: RawConnection, ids: { readonly local: EndpointId; readonly peer: EndpointId }) {
    this.#raw = raw;
    this.local = ids.local;
    this.peer = ids.peer;
    this.alpn = raw.alpn;
    this.closed = this.#ending.promise;
    raw.closed.then(end => this.#ended(end));
  }

  async open(signal?: AbortSignal): Promise<Duplex> {
    return this.#duplex(await this.#opened(this.#raw.open(), abandonBoth, signal));
  }

  async accept(): Promise<Duplex | undefined> {
    const raw = await this.#accepted(this.#raw.accept());
    return raw === undefined ? undefined : this.#duplex(raw);
  }

  async openUni(signal?: AbortSignal): Promise<WriteHalf> {
    const raw = await this.#opened(this.#raw.openUni(), abandonSend, signal);
    const half = new CarriedWriteHalf(raw, this, () => this.#streams.delete(half));
    this.#streams.add(half);
    return half;
  }

  async acceptUni(): Promise<ReadHalf | undefined> {
    const raw = await this.#accepted(this.#raw.acceptUni());
    if (raw === undefined) return undefined;
    const half = new CarriedReadHalf(raw, this, () => this.#streams.delete(half));
    this.#streams.add(half);
    return half;
  }

  close(code = 0, reason = ""): Promise<void> {
    this.#closing ??= this.#close(code, reason);
    return this.#closing;
  }

  admit(): void {
    this.#raw.admit();
  }

  path(): SessionPath {
    return this.#raw.path();
  }

  watchPath(listener: (path: SessionPath) => void): () => void {
    return this.#raw.watchPath(listener);
  }

  statistics(): SessionStatistics {
    return this.#raw.statistics();
  }

  translate(error: unknown): StreamError {
    if (this.#end?.kind === "lost") return new StreamError("lost", 0, this.#end.reason);
    return this.#raw.streamError(error);
  }

  delivering(delivery: Promise<void>): void {
    this.#deliveries.add(delivery);
    delivery.then(() => this.#deliveries.delete(delivery));
  }

  /** Waits for a stream to open, but no longer than the signal allows; one that opens later is given back. */
  async #opened<T>(opening: Promise<T>, abandon: (late: T) => void, signal: AbortSignal | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = () => reject(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    opening.then(
      stream => (signal?.aborted ? abandon(stream) : resolve(stream)),
      error => reject(this.translate(error)),
    );
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** A failing accept has one meaning: the session is over. How is in `closed`. */
  async #accepted<T>(accepting: Promise<T>): Promise<T | undefined> {
    try {
      return await accepting;
    } catch {
      await this.closed;
      return undefined;
    }
  }

  #duplex(raw: RawStream): Duplex {
    const duplex = new CarriedDuplex(raw, this, () => this.#streams.delete(duplex));
    this.#streams.add(duplex);
    return duplex;
  }

  async #close(code: number, reason: string): Promise<void> {
    await settledWithin(drainLimit, Promise.race([Promise.all(this.#deliveries), this.closed]));
    this.#cut({ kind: "local", code, reason });
  }

  /** Ends the connection from this side: every call of the binding under way fails soon after. */
  #cut(end: SessionEnd): void {
    this.#ended(end);
    const reason = Buffer.from(end.reason).subarray(0, reasonBytes);
    this.#raw.close(end.code, reason);
  }

  #ended(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    for (const stream of this.#streams) if (stream instanceof CarriedDuplex) stream.sessionEnded();
    this.#streams.clear();
    this.#ending.resolve(end);
  }
}

function abandonBoth({ send, recv }: RawStream): void {
  abandonSend(send);
  recv.stop(0);
}

function abandonSend(send: RawSend): void {
  send.reset(0);
}
