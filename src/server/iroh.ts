import { join } from "node:path";
import { chosenIroh } from "../iroh/choice.ts";
import { makeEndpoint, type Relay } from "../iroh/endpoint.ts";
import type { EndpointId } from "../lib/ids.ts";
import { BUILDER_ALPN } from "../lib/protocol.ts";
import type { Session } from "../lib/stream.ts";
import type { BuilderConfig } from "./config.ts";
import { keepPorts, portTaken, readPorts, withPorts } from "./ports.ts";

/** What a peer may send before `Present` has told who it is: some calls that wait for it, never an upload. */
const STRANGER_BYTES = 4 * 1024 * 1024;

/** The builder's end of the network. */
export interface BuilderEndpoint {
  readonly id: EndpointId;
  /** Which implementation of Iroh it is, for people; `passedOver` says why it is not the addon although there is one. */
  readonly iroh: string;
  readonly passedOver: string | undefined;
  /** The next connection, or `undefined` once it is closed. */
  accept(): Promise<Session | undefined>;
  /** Where it can be reached now: `ADDR:PORT` texts, and the relay if one is reached. */
  reachable(): { readonly addresses: readonly string[]; readonly relayUrls: readonly string[] };
  /** Closes every connection properly, so that no peer waits for this end. */
  close(): Promise<void>;
}

/** Binds the builder's endpoint, at the port that the first start has picked. Throws a `Failure` that says how to choose another if that is taken. */
export async function bindBuilder(config: BuilderConfig, secretKey: Uint8Array): Promise<BuilderEndpoint> {
  const file = join(config.dataFolder, "udp-ports");
  const kept = await readPorts(file);
  const bind = withPorts(config.bind, kept);
  const relay: Relay = config.relay === "default" || config.relay === "none" ? config.relay : { urls: [config.relay] };
  const limits = { strangerBytes: STRANGER_BYTES };
  const options = { secretKey, alpns: [BUILDER_ALPN], relay, bind, externalAddresses: config.advertise, limits };
  try {
    const endpoint = await makeEndpoint(options);
    await keepPorts(file, config.bind, endpoint.boundPorts, kept);
    const reachable = () => {
      const { direct, relayUrl } = endpoint.addresses();
      return { addresses: direct, relayUrls: relayUrl === undefined ? [] : [relayUrl] };
    };
    const { text: iroh, because: passedOver } = chosenIroh();
    const { id } = endpoint;
    return { id, iroh, passedOver, accept: () => endpoint.accept(), reachable, close: () => endpoint.close() };
  } catch (error) {
    throw portTaken(error, file, bind);
  }
}
