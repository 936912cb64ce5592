import type { Connection, Endpoint as Native } from "@number0/iroh/index.js";
import { Failure } from "../../lib/failure.ts";
import { type EndpointId, parseId } from "../../lib/ids.ts";
import { parseBind } from "../address.ts";
import { type CheckedOptions, checkPeer } from "../check.ts";
import type { ConnectOptions, Endpoint, EndpointAddresses, IrohSession, PeerAddress } from "../interface.ts";
import { AcceptQueue } from "./accept-queue.ts";
import { bindNative } from "./bind.ts";
import { type Binding, loadBinding } from "./binding.ts";
import { type ByteConverter, byteConverter } from "./bytes.ts";
import { connectNative } from "./connect.ts";
import { NativeSession } from "./session.ts";
import { settledWithin } from "./within.ts";

/** Milliseconds for the native endpoint to say goodbye to its peers, and to go where it never met one. */
const closeLimit = 3000;
const closeLimitAlone = 100;

/** Every endpoint that is not closed: one that is collected kills its connections, and their peers wait 35 s. */
const alive = new Set<NumberZeroEndpoint>();

/** Binds an endpoint of @number0/iroh. */
export async function bindNumber0(options: CheckedOptions): Promise<Endpoint> {
  const binding = await loadBinding();
  const bytes = byteConverter(binding);
  const native = await bindNative(binding, bytes, options);
  for (const address of options.externalAddresses) await native.addExternalAddr(address);
  return new NumberZeroEndpoint({ binding, bytes, native, options });
}

interface Parts {
  readonly binding: Binding;
  readonly bytes: ByteConverter;
  readonly native: Native;
  readonly options: CheckedOptions;
}

class NumberZeroEndpoint implements Endpoint {
  readonly id: EndpointId;
  readonly boundPorts: readonly number[];
  readonly #parts: Parts;
  readonly #sessions = new Set<NativeSession>();
  readonly #accepts: AcceptQueue<NativeSession>;
  #accepted = 0;
  #metPeers = false;
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    const { native, options } = parts;
    this.#parts = parts;
    this.id = endpointId(native.id());
    this.boundPorts = boundPorts(native, options);
    this.#accepts = new AcceptQueue(
      native,
      () => this.#accepted < options.limits.sessions,
      connection => this.#acceptedSession(connection),
    );
    alive.add(this);
  }

  async connect(peer: PeerAddress, alpn: string, options: ConnectOptions = {}): Promise<IrohSession> {
    checkPeer(peer);
    const { binding, bytes, native } = this.#parts;
    if (this.#closing !== undefined)
      throw new Failure("failed", "this machine", "this endpoint is closed", { reason: "closed" });
    return this.#session(await connectNative({ binding, bytes, endpoint: native }, peer, alpn, options));
  }

  accept(): Promise<IrohSession | undefined> {
    return this.#accepts.next();
  }

  addresses(): EndpointAddresses {
    const { native, options } = this.#parts;
    const address = native.addr();
    // The binding lists those named by hand only after a while.
    const found = address.directAddresses().filter(text => wasAskedFor(text, options));
    const direct = new Set([...options.externalAddresses, ...found]);
    return { direct: [...direct], relayUrl: address.relayUrl() ?? undefined };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#accepts.end();
    await Promise.all([...this.#sessions].map(session => session.close()));
    // An attempt to connect that is still under way would hold it up for 3 s.
    await settledWithin(this.#metPeers ? closeLimit : closeLimitAlone, this.#parts.native.close());
    alive.delete(this);
  }

  #acceptedSession(connection: Connection): NativeSession {
    const session = this.#session(connection);
    this.#accepted += 1;
    session.closed.then(() => {
      this.#accepted -= 1;
    });
    return session;
  }

  #session(connection: Connection): NativeSession {
    const { bytes, options } = this.#parts;
    const peer = endpointId(connection.remoteId());
    const session = new NativeSession({ connection, local: this.id, peer, limits: options.limits, bytes });
    this.#metPeers = true;
    this.#sessions.add(session);
    session.closed.then(() => this.#sessions.delete(session));
    return session;
  }
}

function endpointId(native: { toString(): string }): EndpointId {
  const id = parseId<EndpointId>(native.toString());
  if (id === undefined)
    throw new Failure("failed", "this machine", `the Iroh binding gave the odd id ${native.toString()}`);
  return id;
}

/** Whether an address is not just the loopback that keeps the other IP family closed (see `bindNative`). */
function wasAskedFor(text: string, { bind }: CheckedOptions): boolean {
  const family = parseBind(text)?.family;
  return !/^(127\.|\[::1\])/.test(text) || bind.length === 0 || bind.some(address => address.family === family);
}

/** Ports of the addresses that were asked for; what was bound beside them for safety is nobody's business. */
function boundPorts(native: Native, { bind }: CheckedOptions): number[] {
  const bound = native.boundSockets().flatMap(text => parseBind(text) ?? []);
  if (bind.length === 0) return bound.map(({ port }) => port);
  return bind.flatMap(({ family }) => bound.find(address => address.family === family)?.port ?? []);
}
