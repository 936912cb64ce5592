import { Failure } from "../lib/failure.ts";
import { type EndpointId, parseId } from "../lib/ids.ts";
import { type CheckedOptions, checkPeer } from "./check.ts";
import { connectWithin } from "./connect.ts";
import type { ConnectOptions, Endpoint, EndpointAddresses, IrohSession, PeerAddress } from "./interface.ts";
import type { RawConnection, RawEndpoint } from "./raw.ts";
import { CarriedSession } from "./session.ts";
import { boundPorts, wasAskedFor } from "./sockets.ts";
import { settledWithin } from "./within.ts";

/** Milliseconds for a binding to say goodbye to its peers, and to go where it never met one. */
const closeLimit = 3000;
const closeLimitAlone = 100;

/** Every endpoint that is not closed: with some bindings, one that is collected kills its connections, and their peers wait 35 s. */
const alive = new Set<BoundEndpoint>();

/** An endpoint of a binding, with the sessions over it. */
export class BoundEndpoint implements Endpoint {
  readonly id: EndpointId;
  readonly boundPorts: readonly number[];
  readonly #raw: RawEndpoint;
  readonly #options: CheckedOptions;
  readonly #sessions = new Set<CarriedSession>();
  #metPeers = false;
  #closing: Promise<void> | undefined;

  constructor(raw: RawEndpoint, options: CheckedOptions) {
    this.#raw = raw;
    this.#options = options;
    this.id = endpointId(raw.id);
    this.boundPorts = boundPorts(raw.bound(), options.bind);
    alive.add(this);
  }

  async connect(peer: PeerAddress, alpn: string, options: ConnectOptions = {}): Promise<IrohSession> {
    checkPeer(peer);
    if (this.#closing !== undefined)
      throw new Failure("failed", "this machine", "this endpoint is closed", { reason: "closed" });
    return this.#session(await connectWithin(this.#raw, peer, alpn, options));
  }

  async accept(): Promise<IrohSession | undefined> {
    const connection = await this.#raw.accept();
    return connection === undefined ? undefined : this.#session(connection);
  }

  addresses(): EndpointAddresses {
    const { externalAddresses, bind } = this.#options;
    // A binding may list those named by hand only after a while.
    const found = this.#raw.direct().filter(text => wasAskedFor(text, bind));
    return { direct: [...new Set([...externalAddresses, ...found])], relayUrl: this.#raw.relayUrl() };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#raw.endAccepts();
    await Promise.all([...this.#sessions].map(session => session.close()));
    // An attempt to connect that is still under way may hold it up for 3 s.
    await settledWithin(this.#metPeers ? closeLimit : closeLimitAlone, this.#raw.close());
    alive.delete(this);
  }

  #session(connection: RawConnection): CarriedSession {
    const session = new CarriedSession(connection, { local: this.id, peer: endpointId(connection.peer) });
    this.#metPeers = true;
    this.#sessions.add(session);
    session.closed.then(() => this.#sessions.delete(session));
    return session;
  }
}

function endpointId(text: string): EndpointId {
  const id = parseId<EndpointId>(text);
  if (id === undefined) throw new Failure("failed", "this machine", `the Iroh binding gave the odd id ${text}`);
  return id;
}
