import type { SessionEnd, StreamErrorKind } from "../../src/lib/stream.ts";

/** A call of a session's or a stream's method in the other process. */
export interface RemoteCall {
  readonly call: number;
  /** The session or stream, as the other process numbers them. */
  readonly target: number;
  readonly method: RemoteMethod;
  readonly bytes?: Uint8Array;
  readonly code?: number;
  readonly reason?: string;
}

/** The methods of `Session` and `Duplex`, and `closed` as one of them. */
export type RemoteMethod =
  | "open"
  | "accept"
  | "openUni"
  | "acceptUni"
  | "close"
  | "closed"
  | "read"
  | "write"
  | "finish"
  | "stop"
  | "reset";

/** What a call came to. */
export interface RemoteAnswer {
  readonly call: number;
  readonly bytes?: Uint8Array;
  /** The number of an opened or accepted stream. */
  readonly stream?: number;
  readonly end?: SessionEnd;
  readonly error?: { readonly kind: StreamErrorKind; readonly code: number } | { readonly message: string };
}

/** What the other process says by itself. */
export type RemoteNews =
  | { readonly news: "endpoint"; readonly id: string; readonly addresses: readonly string[] }
  | { readonly news: "session"; readonly target: number; readonly peer: string; readonly local: string };

/** The protocol that both endpoints speak. */
export const remoteAlpn = "drv-thru-test/1";
