import type { Connection } from "@number0/iroh/index.js";
import { type SessionEnd, StreamCode, type StreamError } from "../../lib/stream.ts";
import type { EndpointLimits, SessionPath, SessionStatistics } from "../interface.ts";
import type { RawConnection, RawRecv, RawSend, RawStream } from "../raw.ts";
import type { ByteConverter } from "./bytes.ts";
import { sessionEnd, streamError } from "./errors.ts";
import { watchLiveness } from "./liveness.ts";
import { watchPath } from "./path.ts";
import { watchStranger } from "./stranger.ts";
import { NumberZeroRecv, NumberZeroSend } from "./streams.ts";

/** What a connection is made with. */
interface ConnectionParts {
  readonly limits: EndpointLimits;
  readonly bytes: ByteConverter;
  /** Hears when its peer is no stranger any more. */
  readonly admitted: () => void;
}

/** A connection of @number0/iroh, and what the binding lacks: it is watched for silence and for strangers who send too much. */
export class NumberZeroConnection implements RawConnection {
  readonly peer: string;
  readonly alpn: string;
  readonly closed: Promise<SessionEnd>;
  readonly admit: () => void;
  readonly #native: Connection;
  readonly #bytes: ByteConverter;
  readonly #ending = Promise.withResolvers<SessionEnd>();

  constructor(native: Connection, { limits, bytes, admitted }: ConnectionParts) {
    this.#native = native;
    this.#bytes = bytes;
    this.peer = native.remoteId().toString();
    this.alpn = Buffer.from(native.alpn()).toString("latin1");
    this.closed = this.#ending.promise;
    native.setMaxConcurrentBiStreams(BigInt(limits.streams));
    const unwatch = watchLiveness(
      () => native.stats().udpRxDatagrams,
      () => this.#cut({ kind: "lost", code: 0, reason: "nothing was heard from the peer for 12 s" }),
    );
    const unwatchStranger = watchStranger(
      () => native.stats().udpRxBytes,
      limits.strangerBytes,
      () =>
        this.#cut({ kind: "local", code: StreamCode.refused, reason: "too many bytes before saying who sends them" }),
    );
    this.admit = () => {
      unwatchStranger();
      admitted();
    };
    this.closed.then(unwatch).then(unwatchStranger);
    native.closed().then(
      text => this.#ending.resolve(sessionEnd(text)),
      error => this.#ending.resolve({ kind: "lost", code: 0, reason: streamError(error).message }),
    );
  }

  async open(): Promise<RawStream> {
    const { send, recv } = await this.#native.openBi();
    return { send: new NumberZeroSend(send, this.#bytes), recv: new NumberZeroRecv(recv, this.#bytes) };
  }

  async openUni(): Promise<RawSend> {
    return new NumberZeroSend(await this.#native.openUni(), this.#bytes);
  }

  async accept(): Promise<RawStream> {
    const { send, recv } = await this.#native.acceptBi();
    return { send: new NumberZeroSend(send, this.#bytes), recv: new NumberZeroRecv(recv, this.#bytes) };
  }

  async acceptUni(): Promise<RawRecv> {
    return new NumberZeroRecv(await this.#native.acceptUni(), this.#bytes);
  }

  close(code: number, reason: Uint8Array): void {
    this.#ending.resolve({ kind: "local", code, reason: Buffer.from(reason).toString() });
    this.#native.close(BigInt(code), this.#bytes.toNativeCopy(reason));
  }

  path(): SessionPath {
    const paths = this.#native.paths();
    const path = paths.find(({ isSelected }) => isSelected) ?? paths[0];
    if (path === undefined) return { kind: "unknown", address: "", rttMs: 0 };
    const kind = path.isRelay ? "relay" : path.isIp ? "direct" : "unknown";
    return { kind, address: path.remoteAddr, rttMs: path.rttMs };
  }

  watchPath(listener: (path: SessionPath) => void): () => void {
    const unwatch = watchPath(() => this.path(), listener);
    this.closed.then(unwatch);
    return unwatch;
  }

  statistics(): SessionStatistics {
    const { udpTxBytes, udpRxBytes, lostPackets } = this.#native.stats();
    return { sentBytes: udpTxBytes, receivedBytes: udpRxBytes, lostPackets };
  }

  streamError(error: unknown): StreamError {
    return streamError(error);
  }

  #cut(end: SessionEnd): void {
    // First: what ends it is not the close that follows.
    this.#ending.resolve(end);
    this.close(end.code, Buffer.from(end.reason));
  }
}
