import type { Session } from "../../lib/stream.ts";

/** Where a builder is. */
export interface Peer {
  /** 64 hex digits. */
  readonly endpointId: string;
  readonly relayUrls: readonly string[];
  /** `IP:PORT` texts. */
  readonly addresses: readonly string[];
}

/** How a session's bytes go. */
export type PathKind = "direct" | "relay" | "unknown";

/** Hears the way that bytes go from now on, and its `IP:PORT` or relay. */
export type PathListener = (path: PathKind, address: string) => void;

/** A session with whatever had to be made for it. */
export interface Dialled {
  readonly session: Session;
  /** How its bytes go. */
  path(): PathKind;
  /** Calls `listener` after each change of the way, until the session ends. */
  watchPath(listener: PathListener): void;
  /** Closes the session and all that was made for it. Bounded in time, may be repeated, never throws. */
  close(): Promise<void>;
}

/** Opens a session with a builder, each time under a fresh key. Throws a `Failure`. */
export type Dial = (
  peer: Peer,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
) => Promise<Dialled>;
