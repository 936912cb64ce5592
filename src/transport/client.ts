import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { CommonTransportOptions, UniversalClientFn, UniversalClientRequest } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import type { Session, SessionEnd } from "../lib/stream.ts";
import { ClientCall } from "./client-call.ts";
import { type ControlChannel, type Liveness, openControl } from "./control.ts";
import { messageLimits } from "./limits.ts";

/** Connect's own options, each with a default, and those of the session. */
export interface TransportOptions extends Partial<Omit<CommonTransportOptions, "httpClient" | "baseUrl">> {
  /** How a hung peer is found out. Of several transports on one session the first one's counts. */
  readonly liveness?: Liveness;
}

/**
 * Connect's Transport over a session: every call is a stream of its own. Several transports with different options may share a session.
 * Messages are not compressed unless `sendCompression` and `acceptCompression` say so (what one sends must be among what it accepts).
 * A call on a session that has ended, or whose peer drains, fails with Unavailable. A response that is not read to its end must be ended by
 * the call's AbortSignal: breaking out of `for await` alone does not cancel (Connect omits it on purpose).
 * `httpClient`: what carries its calls, where that is not the session as it is.
 */
export function connectTransport(
  session: Session,
  options: TransportOptions = {},
  httpClient: UniversalClientFn = sessionClient(session, options.liveness),
): Transport {
  const { liveness: _, ...connect } = options;
  const transport = createTransport({
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    ...messageLimits,
    ...connect,
    baseUrl: "http://session",
    httpClient,
  });
  return { ...transport, stream: heard(transport.stream) };
}

/** A caller may begin to read a stream later: its failure until then must not end the process as an unhandled rejection. */
export function heard(stream: Transport["stream"]): Transport["stream"] {
  return (...call) => {
    const response = stream(...call);
    response.catch(() => undefined);
    return response;
  };
}

/** The function under Connect's Transport: one request, one stream. For bridges; programs want {@link connectTransport}. */
export function sessionClient(session: Session, liveness?: Liveness): UniversalClientFn {
  let calls = known.get(session);
  if (calls === undefined) {
    calls = new ClientCalls(session, liveness);
    known.set(session, calls);
  }
  const { request } = calls;
  return request;
}

const known = new WeakMap<Session, ClientCalls>();

/** All calls of one session: their numbers, their control stream and their common end. */
class ClientCalls {
  readonly #session: Session;
  readonly #control: ControlChannel;
  readonly #calls = new Set<ClientCall>();
  #lastId = 0n;
  /** Why no new call may begin. */
  #closed: string | undefined;

  constructor(session: Session, liveness: Liveness | undefined) {
    this.#session = session;
    const events = {
      goAway: (reason: string) => {
        this.#closed ??= `the other side is shutting down${reason === "" ? "" : `: ${reason}`}`;
      },
      busy: () => this.#calls.size > 0,
    };
    this.#control = openControl(session, events, liveness);
    void session.closed.then(end => this.#lose(end));
  }

  readonly request = (request: UniversalClientRequest) => {
    const { signal } = request;
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.#closed !== undefined) return Promise.reject(new ConnectError(this.#closed, Code.Unavailable));
    this.#lastId++;
    const call: ClientCall = new ClientCall(this.#session, this.#control, this.#lastId, request, () => {
      this.#calls.delete(call);
    });
    this.#calls.add(call);
    return call.run();
  };

  #lose(end: SessionEnd): void {
    const how = { local: "is closed", peer: "was closed by the other side", lost: "was lost" }[end.kind];
    this.#closed = `the connection ${how}${end.reason === "" ? "" : `: ${end.reason}`}`;
    for (const call of this.#calls) call.fail(new ConnectError(this.#closed, Code.Unavailable));
  }
}
