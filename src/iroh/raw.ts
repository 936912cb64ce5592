import type { SessionEnd, StreamError } from "../lib/stream.ts";
import type { PeerAddress, SessionPath, SessionStatistics } from "./interface.ts";

/** The sending half of a binding's stream. One call of `write` or `finish` at a time. */
export interface RawSend {
  /** Settles when more may be written. The bytes are taken before it returns, or copied piece by piece. */
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  /** Settles when the peer's machine has what was finished, or when that can no longer be. */
  delivered(): Promise<unknown>;
  /** Returns at once, also while a write is pending, and never throws. */
  reset(code: number): void;
}

/** The receiving half of a binding's stream. One read at a time. */
export interface RawRecv {
  /** The next bytes, or `undefined` at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Returns at once, also while a read is pending, and never throws. */
  stop(code: number): void;
}

/** Both halves of a binding's stream. */
export interface RawStream {
  readonly send: RawSend;
  readonly recv: RawRecv;
}

/** A binding's connection: what every binding does in its own way, for the session that they share. */
export interface RawConnection {
  /** 64 hex digits. */
  readonly peer: string;
  readonly alpn: string;
  open(): Promise<RawStream>;
  openUni(): Promise<RawSend>;
  accept(): Promise<RawStream>;
  acceptUni(): Promise<RawRecv>;
  /** Ends it from this side; every call under way fails soon after. */
  close(code: number, reason: Uint8Array): void;
  /** How it ended. Never rejects. */
  readonly closed: Promise<SessionEnd>;
  /** Lifts what it holds strangers to. */
  admit(): void;
  path(): SessionPath;
  /** Calls `listener` after each change of the path. Returns what ends that. */
  watchPath(listener: (path: SessionPath) => void): () => void;
  statistics(): SessionStatistics;
  /** What a call of a stream or of this threw, as the house knows it. */
  streamError(error: unknown): StreamError;
}

/** Why a connection attempt failed. */
export type ConnectProblem =
  | "wrong-endpoint"
  | "no-common-protocol"
  | "own-id"
  | "no-address"
  | "bad-address"
  | "closed"
  | "no-answer";

/** A connection attempt under way. */
export interface RawConnecting {
  /** Rejects with what {@link RawEndpoint.connectProblem} knows. */
  readonly connection: Promise<RawConnection>;
  /** Nobody waits for it any more: one that comes about all the same is closed. */
  giveUp(): void;
}

/** A binding's endpoint. */
export interface RawEndpoint {
  /** 64 hex digits. */
  readonly id: string;
  /** `ADDR:PORT` texts of its sockets. */
  bound(): readonly string[];
  /** `ADDR:PORT` texts at which it can be reached now. */
  direct(): readonly string[];
  relayUrl(): string | undefined;
  /** Throws where the address is none. */
  connect(peer: PeerAddress, alpn: string): RawConnecting;
  connectProblem(error: unknown): ConnectProblem;
  /** The next connection that a peer opened, or `undefined` once accepts have ended. */
  accept(): Promise<RawConnection | undefined>;
  /** Ends every wait for a connection. */
  endAccepts(): void;
  close(): Promise<void>;
}
