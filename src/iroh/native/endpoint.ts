import { BoundEndpoint } from "../bound-endpoint.ts";
import type { CheckedOptions } from "../check.ts";
import type { Endpoint, PeerAddress } from "../interface.ts";
import type { ConnectProblem, RawConnecting, RawConnection, RawEndpoint } from "../raw.ts";
import { bindBoth } from "../sockets.ts";
import type { Addon, AddonBind, AddonConnection, AddonEndpoint } from "./addon.ts";
import { Calls } from "./calls.ts";
import { AddonRawConnection } from "./connection.ts";
import { bindErrno, connectProblem } from "./errors.ts";

/** The calls of this thread, from its first endpoint on. */
let calls: Calls | undefined;

/** Binds an endpoint of the addon. */
export async function bindAddon(addon: Addon, options: CheckedOptions): Promise<Endpoint> {
  calls ??= new Calls(addon);
  const of = calls;
  const native = await bindBoth(
    options.bind,
    addresses => {
      const bind = addresses.map(({ text }) => text);
      return of.call<AddonEndpoint>(call => of.hub.bind(call, { ...addonOptions(options), bind }));
    },
    bindErrno,
  );
  return new BoundEndpoint(new AddonRawEndpoint(of, native), options);
}

function addonOptions({
  secretKey,
  alpns,
  relay,
  externalAddresses,
  discovery,
  limits,
}: CheckedOptions): Omit<AddonBind, "bind"> {
  const { sessions, streams, strangerBytes } = limits;
  return {
    alpns,
    externalAddresses,
    discovery,
    sessions,
    streams,
    ...(secretKey === undefined ? {} : { secretKey }),
    ...(relay === "default" ? {} : { relays: relay === "none" ? [] : relay.urls }),
    ...(Number.isFinite(strangerBytes) ? { strangerBytes } : {}),
  };
}

class AddonRawEndpoint implements RawEndpoint {
  readonly id: string;
  readonly #calls: Calls;
  readonly #native: AddonEndpoint;

  constructor(of: Calls, native: AddonEndpoint) {
    this.#calls = of;
    this.#native = native;
    this.id = native.id();
  }

  bound(): readonly string[] {
    return this.#native.bound();
  }

  direct(): readonly string[] {
    return this.#native.direct();
  }

  relayUrl(): string | undefined {
    return this.#native.relay() ?? undefined;
  }

  connect({ id, relayUrls = [], addresses = [] }: PeerAddress, alpn: string): RawConnecting {
    const { done, abort } = this.#calls.abortable<AddonConnection>(call =>
      this.#native.connect(call, id, relayUrls, addresses, alpn),
    );
    let late = false;
    const connection = done.then(native => {
      if (late) native.close(0, new Uint8Array());
      return this.#connection(native);
    });
    const giveUp = () => {
      late = true;
      abort();
    };
    return { connection, giveUp };
  }

  connectProblem(error: unknown): ConnectProblem {
    return connectProblem(error);
  }

  async accept(): Promise<RawConnection | undefined> {
    const native = await this.#calls.call<AddonConnection | undefined>(call => this.#native.accept(call));
    return native === undefined ? undefined : this.#connection(native);
  }

  endAccepts(): void {
    this.#native.endAccepts();
  }

  close(): Promise<void> {
    return this.#calls.call(call => this.#native.close(call));
  }

  #connection(native: AddonConnection): RawConnection {
    return new AddonRawConnection(this.#calls, native);
  }
}
