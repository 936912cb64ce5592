/** Connect over Iroh for any protobuf service: typed RPC between two programs behind any NAT, each known by its public key. */
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  type HandlerContext,
  type Transport,
} from "@connectrpc/connect";
import { type Endpoint, type EndpointOptions, type IrohSession, makeEndpoint } from "./iroh/endpoint.ts";
import { Failure } from "./lib/failure.ts";
import { type EndpointId, parseId } from "./lib/ids.ts";
import type { SessionEnd } from "./lib/stream.ts";
import { connectTransport, type TransportOptions } from "./transport/client.ts";
import { routerOptions, type SessionLimits } from "./transport/limits.ts";
import { callSession, type ServedSession, serveSession } from "./transport/server.ts";

export type { EndpointLimits, Relay } from "./iroh/endpoint.ts";
export type { FailureCode, Who } from "./lib/failure.ts";
export { Failure } from "./lib/failure.ts";
export type { SessionEnd } from "./lib/stream.ts";
export type { TransportOptions } from "./transport/client.ts";
export type { SessionLimits } from "./transport/limits.ts";

/** Where a server is: plain data, so it can be printed, sent and parsed as JSON. Any list may be empty, but then the rest must do. */
export interface ServerAddress {
  /** The server's public key, 64 lower-case hex digits. No other server can answer in its place. */
  readonly id: string;
  /** URLs of the relays that reach it; the first is used. */
  readonly relayUrls?: readonly string[];
  /** `ADDR:PORT` texts at which it can be reached directly. */
  readonly addresses?: readonly string[];
}

/** What both sides choose. */
export interface OverIrohOptions {
  /** Name of the application's protocol and its major version, 1 to 255 ASCII characters, such as `greeter/1`. Both sides must name the same. */
  readonly alpn: string;
  /** 32 secret bytes that this side's id follows from. Default: fresh ones, in memory alone. */
  readonly secretKey?: Uint8Array;
  /** `default`: the public relays; `none`: direct addresses only; or relays of your own. Default `default`. */
  readonly relay?: EndpointOptions["relay"];
  /** `ADDR[:PORT]` to send and listen on, at most one of each IP family. Default: all addresses, a free port. */
  readonly bind?: readonly string[];
}

/** What a caller chooses. */
export interface ConnectOverIrohOptions extends OverIrohOptions {
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the server counts as unreachable. Default 30,000. */
  readonly timeoutMs?: number;
  /** Connect's own options: interceptors, compression, JSON, limits (4 MiB a message). */
  readonly transport?: TransportOptions;
}

/** A connection to one server. */
export interface IrohConnection extends AsyncDisposable {
  /** Goes into Connect's `createClient`. Every call is a stream of its own. */
  readonly transport: Transport;
  /** This side's id, which the server sees as {@link callerId}. */
  readonly id: string;
  /** Settles when the connection has ended: a server that vanished is noticed within 15 s. Never rejects. */
  readonly closed: Promise<SessionEnd>;
  /** The way the bytes go now: `direct` or `relay`, the address, and the round trip in milliseconds. */
  path: IrohSession["path"];
  /** Calls a listener after each change of the way or its address. Returns what ends that. */
  watchPath: IrohSession["watchPath"];
  /** Ends the connection after what was sent has arrived, within seconds. */
  close(): Promise<void>;
}

/**
 * Connects to a server of {@link serveOverIroh}.
 *
 * Throws a `Failure`: `unreachable` when nobody answers, `cancelled` by the signal, `usage` for a bad address or option.
 */
export async function connectOverIroh(
  server: ServerAddress,
  { alpn, signal, timeoutMs, transport, ...own }: ConnectOverIrohOptions,
): Promise<IrohConnection> {
  const id = parseId<EndpointId>(server.id);
  if (id === undefined) throw new Failure("usage", "this machine", `${JSON.stringify(server.id)} is not a server's id`);
  const endpoint = await makeEndpoint({ relay: "default", bind: [], ...own, alpns: [] });
  const given = { ...(signal === undefined ? {} : { signal }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  try {
    const session = await endpoint.connect({ ...server, id }, alpn, given);
    const close = () => endpoint.close();
    return {
      transport: connectTransport(session, transport),
      id: endpoint.id,
      closed: session.closed,
      path: () => session.path(),
      watchPath: listener => session.watchPath(listener),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await endpoint.close();
    throw error;
  }
}

/** What a server chooses. */
export interface ServeOverIrohOptions extends OverIrohOptions {
  /** Further `ADDR:PORT` texts at which it can be reached, for its {@link IrohServer.address}. */
  readonly externalAddresses?: readonly string[];
  /** Connect's own options. `requestGate` runs before a call's body is read: throw there to refuse a caller. */
  readonly router?: ConnectRouterOptions;
  /** Bounds of connections and streams. */
  readonly endpointLimits?: NonNullable<EndpointOptions["limits"]>;
  /** Bounds of one connection's calls. */
  readonly sessionLimits?: Partial<SessionLimits>;
  /** Hears what no caller is told, such as a handler that broke. */
  readonly onError?: (error: unknown) => void;
}

/** A server that listens. */
export interface IrohServer extends AsyncDisposable {
  /** Its id: the public key of `secretKey`. */
  readonly id: string;
  /** Where it can be reached now. The relay is there once one was reached, some seconds after the start. */
  address(): Required<ServerAddress>;
  /** Takes no new calls, lets those under way end (5 s at most, or as given), then leaves. */
  close(drainMs?: number): Promise<void>;
}

/**
 * Serves Connect services to whoever connects: the routes are those of `createConnectRouter`. It waits for no relay and needs no internet.
 *
 * Throws a `Failure` when an address cannot be listened on.
 */
export async function serveOverIroh(
  routes: (router: ConnectRouter) => void,
  { alpn, router: given, endpointLimits, sessionLimits, onError, ...own }: ServeOverIrohOptions,
): Promise<IrohServer> {
  const router = createConnectRouter({ ...routerOptions, ...given });
  routes(router);
  const limits = endpointLimits === undefined ? {} : { limits: endpointLimits };
  const endpoint = await makeEndpoint({ relay: "default", bind: [], ...own, ...limits, alpns: [alpn] });
  const served = new Set<ServedSession>();
  const serve = (session: IrohSession) => {
    const options = {
      ...(sessionLimits === undefined ? {} : { limits: sessionLimits }),
      ...(onError === undefined ? {} : { onError }),
    };
    const one = serveSession(session, router.handlers, options);
    served.add(one);
    void one.closed.then(() => served.delete(one));
  };
  void acceptAll(endpoint, serve);
  let closing: Promise<void> | undefined;
  const close = (drainMs = 5000) => {
    closing ??= drained(served, drainMs).then(() => endpoint.close());
    return closing;
  };
  return {
    id: endpoint.id,
    address: () => addressOf(endpoint),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** The proven id of a call's caller, inside a handler, a gate or an interceptor. */
export function callerId(context: HandlerContext): string | undefined {
  return context.values.get(callSession)?.peer;
}

async function acceptAll(endpoint: Endpoint, serve: (session: IrohSession) => void): Promise<void> {
  for (let session = await endpoint.accept(); session !== undefined; session = await endpoint.accept()) serve(session);
}

function addressOf(endpoint: Endpoint): Required<ServerAddress> {
  const { direct, relayUrl } = endpoint.addresses();
  return { id: endpoint.id, relayUrls: relayUrl === undefined ? [] : [relayUrl], addresses: direct };
}

async function drained(served: ReadonlySet<ServedSession>, drainMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, drainMs);
  await Promise.race([late, Promise.all([...served].map(one => one.goAway("the server is shutting down")))]);
  clearTimeout(timer);
}
