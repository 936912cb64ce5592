import type { Connection, EndpointAddr, Endpoint as Native } from "@number0/iroh/index.js";
import { BoundEndpoint } from "../bound-endpoint.ts";
import type { CheckedOptions } from "../check.ts";
import type { Endpoint, PeerAddress } from "../interface.ts";
import type { ConnectProblem, RawConnecting, RawConnection, RawEndpoint } from "../raw.ts";
import { AcceptQueue } from "./accept-queue.ts";
import { bindNative } from "./bind.ts";
import { type Binding, loadBinding } from "./binding.ts";
import { type ByteConverter, byteConverter } from "./bytes.ts";
import { NumberZeroConnection } from "./connection.ts";
import { BadAddress, connectProblem } from "./errors.ts";

/** Binds an endpoint of @number0/iroh. */
export async function bindNumber0(options: CheckedOptions): Promise<Endpoint> {
  const binding = await loadBinding();
  const bytes = byteConverter(binding);
  const native = await bindNative(binding, bytes, options);
  for (const address of options.externalAddresses) await native.addExternalAddr(address);
  return new BoundEndpoint(new NumberZeroEndpoint({ binding, bytes, native, options }), options);
}

interface Parts {
  readonly binding: Binding;
  readonly bytes: ByteConverter;
  readonly native: Native;
  readonly options: CheckedOptions;
}

class NumberZeroEndpoint implements RawEndpoint {
  readonly id: string;
  readonly #parts: Parts;
  readonly #accepts: AcceptQueue<RawConnection>;
  readonly #strangers = new Set<RawConnection>();

  constructor(parts: Parts) {
    const { native, options } = parts;
    this.#parts = parts;
    this.id = native.id().toString();
    this.#accepts = new AcceptQueue(
      native,
      () => this.#strangers.size < options.limits.sessions,
      connection => this.#acceptedConnection(connection),
    );
  }

  bound(): readonly string[] {
    return this.#parts.native.boundSockets();
  }

  direct(): readonly string[] {
    return this.#parts.native.addr().directAddresses();
  }

  relayUrl(): string | undefined {
    return this.#parts.native.addr().relayUrl() ?? undefined;
  }

  connect(peer: PeerAddress, alpn: string): RawConnecting {
    const { binding, bytes, native } = this.#parts;
    let late = false;
    const attempt = async () => {
      const connection = await native.connect(
        nativeAddress(binding, peer),
        bytes.toNativeCopy(Buffer.from(alpn, "latin1")),
      );
      if (late) connection.close(0n, []);
      return this.#connection(connection);
    };
    const giveUp = () => {
      late = true;
    };
    return { connection: attempt(), giveUp };
  }

  connectProblem(error: unknown): ConnectProblem {
    return connectProblem(error);
  }

  accept(): Promise<RawConnection | undefined> {
    return this.#accepts.next();
  }

  endAccepts(): void {
    this.#accepts.end();
  }

  close(): Promise<void> {
    return this.#parts.native.close();
  }

  #acceptedConnection(native: Connection): RawConnection {
    const known = () => this.#strangers.delete(connection);
    const connection = this.#connection(native, known);
    this.#strangers.add(connection);
    connection.closed.then(known);
    return connection;
  }

  #connection(connection: Connection, admitted: () => void = () => undefined): RawConnection {
    const { bytes, options } = this.#parts;
    return new NumberZeroConnection(connection, { limits: options.limits, bytes, admitted });
  }
}

/** The binding takes one relay: the first, which is the peer's home. */
function nativeAddress({ EndpointAddr, EndpointId }: Binding, peer: PeerAddress): EndpointAddr {
  const { id, relayUrls, addresses } = peer;
  try {
    return new EndpointAddr(EndpointId.fromString(id), relayUrls?.[0], [...(addresses ?? [])]);
  } catch (cause) {
    throw new BadAddress("the binding refuses the address", { cause });
  }
}
