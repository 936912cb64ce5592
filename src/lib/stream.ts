/**
 * The two interfaces at which the carrying rooms meet: one stream of bytes, and a session that opens and accepts such streams.
 * Every implementation runs the contract suites of `test/contract/`.
 */

/** Codes that travel with a reset or a stop; `docs/protocol.md` has the same table. */
export const StreamCode = { enough: 0, cancel: 1, internal: 2, deadline: 3, refused: 4 } as const;

/** Why a stream or its session ended before its bytes did. */
export type StreamErrorKind = "reset" | "stopped" | "lost" | "closed";

/**
 * What a read or write throws once its stream is broken, and for ever after.
 * `reset`: the peer gave up sending. `stopped`: the peer reads no more. `lost`: the peer vanished. `closed`: this side closed.
 */
export class StreamError extends Error {
  override name = "StreamError";
  readonly kind: StreamErrorKind;
  /** The peer's code with `reset` and `stopped`, else 0. */
  readonly code: number;

  constructor(kind: StreamErrorKind, code = 0, message: string = kind, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.code = code;
  }
}

/** The reading half of a stream. One read at a time. */
export interface ReadHalf {
  /** The next bytes, never empty, or `undefined` at the clean end and ever after. Throws {@link StreamError}. */
  read(): Promise<Uint8Array | undefined>;
  /** Reads no more and tells the peer so. Returns at once, may be repeated, never throws. A pending read ends as at the end or with `closed`. */
  stop(code: number): void;
}

/** The writing half of a stream. Writes are taken in order; the bytes are copied or sent before the promise settles. */
export interface WriteHalf {
  /** Resolves when more may be written: this is the back-pressure. Throws {@link StreamError}. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the bytes cleanly after those written. May be repeated. */
  finish(): Promise<void>;
  /** Gives up sending and tells the peer so. Returns at once, may be repeated, never throws; a pending write ends with `closed`. */
  reset(code: number): void;
}

/** One bidirectional stream. */
export interface Duplex extends ReadHalf, WriteHalf {
  /** Settles when both halves have ended in whatever way. Never rejects. */
  readonly closed: Promise<void>;
}

/** How a session ended. `lost`: the peer vanished without a word. */
export interface SessionEnd {
  readonly kind: "local" | "peer" | "lost";
  readonly code: number;
  readonly reason: string;
}

/** A connection to one peer that carries streams. */
export interface Session {
  /** The peer's proven endpoint id as 64 hex digits, or `undefined` where the carrier proves none (a Unix socket). */
  readonly peer: string | undefined;
  /** This side's own endpoint id as 64 hex digits on this session, or `undefined` likewise. */
  readonly local: string | undefined;
  /**
   * `many`: streams share the session, so a control stream each way carries cancels. `one`: a stream is a connection of its own
   * (a Unix socket), and closing it is the cancel; `openUni` and `acceptUni` are not called.
   */
  readonly calls: "many" | "one";
  /** Opens a stream. The peer learns of it with the first bytes. Throws {@link StreamError} if the session has ended. */
  open(signal?: AbortSignal): Promise<Duplex>;
  /** The next stream that the peer opened, or `undefined` once the session has ended. */
  accept(): Promise<Duplex | undefined>;
  /** Opens a stream in one direction. */
  openUni(signal?: AbortSignal): Promise<WriteHalf>;
  /** The next one-way stream of the peer, or `undefined` once the session has ended. */
  acceptUni(): Promise<ReadHalf | undefined>;
  /** The peer has proved who it is: lifts whatever the carrier holds strangers to. */
  admit?(): void;
  /** Ends the session after what was finished has arrived (bounded in time). May be repeated. */
  close(code?: number, reason?: string): Promise<void>;
  /** Settles when the session has ended. Never rejects. */
  readonly closed: Promise<SessionEnd>;
}
