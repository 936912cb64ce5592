import { checkOptions } from "./check.ts";
import { chosenIroh } from "./choice.ts";
import type { Endpoint, EndpointOptions } from "./interface.ts";

export type {
  Endpoint,
  EndpointLimits,
  EndpointOptions,
  IrohSession,
  PeerAddress,
  Relay,
} from "./interface.ts";

/**
 * Makes an endpoint and binds its sockets. It waits for no relay: without internet it is up at once, on its direct addresses.
 * Throws a `Failure` with the reason `address-in-use` when another program holds a port.
 */
export async function makeEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const checked = checkOptions(options);
  const { addon } = chosenIroh();
  if (addon !== undefined) {
    const { bindAddon } = await import("./native/endpoint.ts");
    return bindAddon(addon, checked);
  }
  const { bindNumber0 } = await import("./number0/endpoint.ts");
  return bindNumber0(checked);
}
