import type { EndpointId } from "../lib/ids.ts";
import type { Session } from "../lib/stream.ts";

/** Which relays an endpoint uses: those of the public network, none at all, or the given ones (the first that answers is its home). */
export type Relay = "default" | "none" | { readonly urls: readonly string[] };

/** What one endpoint takes from others before it makes them wait or refuses them. */
export interface EndpointLimits {
  /** Sessions that peers opened, at once, each until `Session.admit`; one more is refused. Whoever admits bounds the others. Default 256. */
  readonly sessions: number;
  /**
   * Bidirectional streams that the peer of one session may have open; one more waits at the peer. 100 or more, default 100. While nobody
   * reads them, each holds 1.25 MB at most with @number0/iroh, which has no other bound that holds for a session's first streams; with
   * the native addon 12 MiB, and all of a session together 64 MiB.
   */
  readonly streams: number;
  /** Bytes that a peer may send in all before `Session.admit`; one more ends the session. Default: no limit. */
  readonly strangerBytes: number;
}

/** What an endpoint is made of. */
export interface EndpointOptions {
  /** 32 bytes whose public key is the endpoint's id. Default: fresh random ones. */
  readonly secretKey?: Uint8Array;
  /** Protocols that {@link Endpoint.accept} takes, as ASCII names; empty for an endpoint that only connects. */
  readonly alpns: readonly string[];
  readonly relay: Relay;
  /** `ADDR[:PORT]`, at most one of each IP family. Empty: all addresses, ports picked. Only loopback addresses: nothing else is listened on. */
  readonly bind: readonly string[];
  /** Addresses, as `ADDR:PORT`, at which this endpoint can be reached beside those it finds itself. */
  readonly externalAddresses?: readonly string[];
  /** Whether ids are published to, and looked up in, the public discovery service. Default: with the relay `default` alone. */
  readonly discovery?: boolean;
  readonly limits?: Partial<EndpointLimits>;
}

/** Where to find a peer; any part may be empty. */
export interface PeerAddress {
  readonly id: EndpointId;
  readonly relayUrls?: readonly string[];
  /** `ADDR:PORT` texts. */
  readonly addresses?: readonly string[];
}

/** How long to try. */
export interface ConnectOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until the peer counts as unreachable. Default 30,000. */
  readonly timeoutMs?: number;
}

/** Which way a session's bytes go now. `address`: `ADDR:PORT`, or the relay's URL. */
export interface SessionPath {
  readonly kind: "direct" | "relay" | "unknown";
  readonly address: string;
  readonly rttMs: number;
}

/** What a session has moved, counted in UDP datagrams of all its paths. */
export interface SessionStatistics {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly lostPackets: number;
}

/** A session over Iroh: its peer is always proven. */
export interface IrohSession extends Session {
  readonly peer: EndpointId;
  readonly local: EndpointId;
  /** The protocol that both sides agreed on. */
  readonly alpn: string;
  path(): SessionPath;
  /** Calls `listener` after each change of the path's kind or address. Returns what ends that. */
  watchPath(listener: (path: SessionPath) => void): () => void;
  statistics(): SessionStatistics;
}

/** Where others reach an endpoint at this moment. */
export interface EndpointAddresses {
  /** `ADDR:PORT` texts. */
  readonly direct: readonly string[];
  /** The home relay, or `undefined` while none is reached. */
  readonly relayUrl: string | undefined;
}

/** One end of the network: an id, its sockets, and the sessions over them. */
export interface Endpoint {
  readonly id: EndpointId;
  /** The UDP ports, in the order of `bind` (IPv4 first where `bind` was empty). */
  readonly boundPorts: readonly number[];
  /** Opens a session. Throws a `Failure`: `unreachable` when nobody answered in time, `cancelled` by the signal. */
  connect(peer: PeerAddress, alpn: string, options?: ConnectOptions): Promise<IrohSession>;
  /** The next session that a peer opened, or `undefined` once the endpoint is closed. */
  accept(): Promise<IrohSession | undefined>;
  /** Where others reach this endpoint now; ask again, for it changes. */
  addresses(): EndpointAddresses;
  /** Closes every session (see `Session.close`), then the sockets. Bounded in time, may be repeated, never throws. */
  close(): Promise<void>;
}
