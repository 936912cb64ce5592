import type { BiStream, Connection, SendStream } from "@number0/iroh/index.js";
import type { EndpointId } from "../../lib/ids.ts";
import {
  type Duplex,
  type ReadHalf,
  type SessionEnd,
  StreamCode,
  StreamError,
  type WriteHalf,
} from "../../lib/stream.ts";
import type { EndpointLimits, IrohSession, SessionPath, SessionStatistics } from "../interface.ts";
import type { ByteConverter } from "./bytes.ts";
import { NativeDuplex } from "./duplex.ts";
import { sessionEnd, streamError } from "./errors.ts";
import { watchLiveness } from "./liveness.ts";
import { type HalfOwner, NativeReadHalf } from "./read-half.ts";
import { watchStranger } from "./stranger.ts";
import { settledWithin } from "./within.ts";
import { NativeWriteHalf } from "./write-half.ts";

/** Milliseconds for which a close waits for the peer to acknowledge what was finished. */
const drainLimit = 5000;
const reasonBytes = 256;

/** What a session is made of. */
export interface SessionParts {
  readonly connection: Connection;
  readonly local: EndpointId;
  readonly peer: EndpointId;
  readonly limits: EndpointLimits;
  readonly bytes: ByteConverter;
}

/** A session over one native connection. */
export class NativeSession implements IrohSession, HalfOwner {
  readonly calls = "many";
  readonly peer: EndpointId;
  readonly local: EndpointId;
  readonly alpn: string;
  readonly bytes: ByteConverter;
  readonly closed: Promise<SessionEnd>;
  readonly admit: () => void;
  readonly #connection: Connection;
  readonly #ending = Promise.withResolvers<SessionEnd>();
  /** Every open stream: a native stream that is collected looks to the peer like one that ended well. */
  readonly #streams = new Set<NativeDuplex | NativeWriteHalf | NativeReadHalf>();
  readonly #deliveries = new Set<Promise<void>>();
  #end: SessionEnd | undefined;
  #closing: Promise<void> | undefined;

  constructor({ connection, local, peer, limits, bytes }: SessionParts) {
    this.#connection = connection;
    this.local = local;
    this.peer = peer;
    this.bytes = bytes;
    this.alpn = Buffer.from(connection.alpn()).toString("latin1");
    this.closed = this.#ending.promise;
    connection.setMaxConcurrentBiStreams(BigInt(limits.streams));
    const unwatch = watchLiveness(
      () => connection.stats().udpRxDatagrams,
      () => this.#cut({ kind: "lost", code: 0, reason: "nothing was heard from the peer for 12 s" }),
    );
    this.admit = watchStranger(
      () => connection.stats().udpRxBytes,
      limits.strangerBytes,
      () =>
        this.#cut({ kind: "local", code: StreamCode.refused, reason: "too many bytes before saying who sends them" }),
    );
    this.closed.then(unwatch).then(this.admit);
    connection.closed().then(
      text => this.#ended(sessionEnd(text)),
      error => this.#ended({ kind: "lost", code: 0, reason: streamError(error).message }),
    );
  }

  async open(signal?: AbortSignal): Promise<Duplex> {
    return this.#duplex(await this.#opened(this.#connection.openBi(), abandonBoth, signal));
  }

  async accept(): Promise<Duplex | undefined> {
    const native = await this.#accepted(this.#connection.acceptBi());
    return native === undefined ? undefined : this.#duplex(native);
  }

  async openUni(signal?: AbortSignal): Promise<WriteHalf> {
    const native = await this.#opened(this.#connection.openUni(), abandonSend, signal);
    const half = new NativeWriteHalf(native, this, () => this.#streams.delete(half));
    this.#streams.add(half);
    return half;
  }

  async acceptUni(): Promise<ReadHalf | undefined> {
    const native = await this.#accepted(this.#connection.acceptUni());
    if (native === undefined) return undefined;
    const half = new NativeReadHalf(native, this, () => this.#streams.delete(half));
    this.#streams.add(half);
    return half;
  }

  close(code = 0, reason = ""): Promise<void> {
    this.#closing ??= this.#close(code, reason);
    return this.#closing;
  }

  path(): SessionPath {
    const paths = this.#connection.paths();
    const path = paths.find(({ isSelected }) => isSelected) ?? paths[0];
    if (path === undefined) return { kind: "unknown", address: "", rttMs: 0 };
    const kind = path.isRelay ? "relay" : path.isIp ? "direct" : "unknown";
    return { kind, address: path.remoteAddr, rttMs: path.rttMs };
  }

  statistics(): SessionStatistics {
    const { udpTxBytes, udpRxBytes, lostPackets } = this.#connection.stats();
    return { sentBytes: udpTxBytes, receivedBytes: udpRxBytes, lostPackets };
  }

  translate(error: unknown): StreamError {
    if (this.#end?.kind === "lost") return new StreamError("lost", 0, this.#end.reason);
    return streamError(error);
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
    } catch (error) {
      await this.closed;
      return void streamError(error);
    }
  }

  #duplex(native: BiStream): Duplex {
    const duplex = new NativeDuplex(native, this, () => this.#streams.delete(duplex));
    this.#streams.add(duplex);
    return duplex;
  }

  async #close(code: number, reason: string): Promise<void> {
    await settledWithin(drainLimit, Promise.race([Promise.all(this.#deliveries), this.closed]));
    this.#cut({ kind: "local", code, reason });
  }

  /** Ends the connection from this side: every native call under way fails soon after. */
  #cut(end: SessionEnd): void {
    this.#ended(end);
    const reason = Buffer.from(end.reason).subarray(0, reasonBytes);
    this.#connection.close(BigInt(end.code), this.bytes.toNativeCopy(reason));
  }

  #ended(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    for (const stream of this.#streams) if (stream instanceof NativeDuplex) stream.sessionEnded();
    this.#streams.clear();
    this.#ending.resolve(end);
  }
}

function abandonBoth({ send, recv }: BiStream): void {
  abandonSend(send);
  recv.stop(0n).catch(streamError);
}

function abandonSend(send: SendStream): void {
  send.reset(0n).catch(streamError);
}
