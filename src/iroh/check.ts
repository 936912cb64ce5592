import { Failure } from "../lib/failure.ts";
import { parseBind, parseSocketAddress, type SocketAddress } from "./address.ts";
import type { EndpointLimits, EndpointOptions, PeerAddress, Relay } from "./interface.ts";

const defaultLimits: EndpointLimits = { sessions: 256, streams: 100, strangerBytes: Number.POSITIVE_INFINITY };

/** {@link EndpointOptions} with every default filled in and every text checked. */
export interface CheckedOptions {
  readonly secretKey: Uint8Array | undefined;
  readonly alpns: readonly string[];
  readonly relay: Relay;
  readonly bind: readonly SocketAddress[];
  readonly externalAddresses: readonly string[];
  readonly discovery: boolean;
  readonly limits: EndpointLimits;
}

/** Checks what an endpoint is to be made of, before anything is. Throws a `Failure` with the code `usage`. */
export function checkOptions(options: EndpointOptions): CheckedOptions {
  const { secretKey, alpns, relay } = options;
  if (secretKey !== undefined && secretKey.length !== 32) {
    throw usage(`an endpoint's secret key is 32 bytes, this one is ${secretKey.length}`);
  }
  for (const alpn of alpns) {
    if (!/^[!-~]{1,255}$/.test(alpn))
      throw usage(`${JSON.stringify(alpn)} is not a protocol name of 1 to 255 ASCII characters`);
  }
  const limits = { ...defaultLimits, ...options.limits };
  if (limits.streams < defaultLimits.streams)
    throw usage(`a session has ${defaultLimits.streams} streams or more, not ${limits.streams}`);
  if (typeof relay === "object") checkRelays(relay.urls);
  return {
    secretKey,
    alpns,
    relay,
    bind: checkBind(options.bind),
    externalAddresses: (options.externalAddresses ?? []).map(checkSocketAddress),
    discovery: options.discovery ?? relay === "default",
    limits,
  };
}

/** Checks the texts that say where a peer is. Throws a `Failure` with the code `usage`. */
export function checkPeer(peer: PeerAddress): void {
  for (const address of peer.addresses ?? []) checkSocketAddress(address);
  for (const url of peer.relayUrls ?? []) checkRelay(url);
}

function checkBind(texts: readonly string[]): SocketAddress[] {
  const bind = texts.map(text => {
    const address = parseBind(text);
    if (address === undefined) {
      throw usage(
        `${JSON.stringify(text)} is not an address to listen on`,
        "write ADDR or ADDR:PORT, such as 127.0.0.1:0 or [::]:4433",
      );
    }
    return address;
  });
  for (const family of [4, 6] as const) {
    const same = bind.filter(address => address.family === family);
    if (same.length > 1) {
      const all = same.map(address => address.text).join(" and ");
      throw usage(
        `cannot listen on ${all}: at most one IPv${family} address`,
        `listen on all with ${family === 4 ? "0.0.0.0" : "[::]"}`,
      );
    }
  }
  return bind;
}

function checkRelays(urls: readonly string[]): void {
  if (urls.length === 0) throw usage("the list of relays is empty", 'use "none" for no relay');
  for (const url of urls) checkRelay(url);
}

function checkRelay(url: string): void {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? "")) return;
  throw usage(`${JSON.stringify(url)} is not the URL of a relay`, "write https://HOST[:PORT]");
}

function checkSocketAddress(text: string): string {
  const address = parseSocketAddress(text);
  if (address !== undefined) return address.text;
  throw usage(`${JSON.stringify(text)} is not ADDR:PORT`, "write it as 203.0.113.7:4433 or [2001:db8::7]:4433");
}

function usage(message: string, fix?: string): Failure {
  return new Failure("usage", "this machine", message, fix === undefined ? {} : { fix });
}
