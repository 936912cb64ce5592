import { chosenIroh } from "../iroh/choice.ts";
import { makeEndpoint } from "../iroh/endpoint.ts";
import type { EndpointId } from "../lib/ids.ts";
import { BUILDER_ALPN } from "../lib/protocol.ts";
import type { Dial, Peer } from "./connection/dial.ts";

/**
 * Which implementation of Iroh this process uses, for people; `passedOver` says why it is not the addon although there is one.
 * Throws a `Failure` where the environment asks for what is not to be had.
 */
export function irohInUse(): { readonly text: string; readonly passedOver: string | undefined } {
  const { text, because } = chosenIroh();
  return { text, passedOver: because };
}

/** Reaches builders over Iroh; the only file of the client that knows it. */
export const dialIroh: Dial = async (peer, { timeoutMs, signal }) => {
  // A fresh key for each connection: any number of builds run at once under one client key.
  const endpoint = await makeEndpoint({ alpns: [], relay: relayFor(peer), bind: [] });
  try {
    const address = { ...peer, id: peer.endpointId as EndpointId };
    const session = await endpoint.connect(address, BUILDER_ALPN, { timeoutMs, ...(signal && { signal }) });
    return {
      session,
      path: () => session.path().kind,
      watchPath: listener => session.watchPath(({ kind, address }) => listener(kind, address)),
      close: () => endpoint.close(),
    };
  } catch (error) {
    await endpoint.close();
    throw error;
  }
};

/** A builder that names addresses and no relay is reached without one; one that names nothing is looked up in public. */
function relayFor({ relayUrls, addresses }: Peer) {
  if (relayUrls.length > 0) return { urls: relayUrls };
  return addresses.length > 0 ? "none" : "default";
}
