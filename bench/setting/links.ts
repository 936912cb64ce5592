import type { Host } from "../../test/hosts/host.ts";
import { joinHosts } from "../../test/hosts/link.ts";
import { type Shape, type ShapedLink, shapedLink } from "./shaped-link.ts";

const MAIN = { builder: "10.83.0.1", client: "10.83.0.2" };
const SLOW = { builder: "10.84.0.1", client: "10.84.0.2" };

/** Joins builder and client, by a veth pair where nothing else is wanted. */
export async function joinMain(
  hosts: { readonly builder: Host; readonly client: Host },
  shape: Shape | undefined,
): Promise<{ readonly address: string; readonly link?: ShapedLink }> {
  if (shape === undefined) {
    const { builder } = await joinHosts({ ...hosts, stop: async () => undefined });
    return { address: builder };
  }
  return { address: MAIN.builder, link: await shapedLink("link0", ends(hosts, MAIN), shape) };
}

/** Joins a second client to the builder. */
export async function joinSlow(builder: Host, client: Host, shape: Shape): Promise<ShapedLink> {
  return await shapedLink(SLOW_DEVICE, ends({ builder, client }, SLOW), shape);
}

/** The device of the second client's link. */
const SLOW_DEVICE = "slow0";

function ends(hosts: { readonly builder: Host; readonly client: Host }, addresses: typeof MAIN) {
  return [
    { host: hosts.builder, address: addresses.builder },
    { host: hosts.client, address: addresses.client },
  ] as const;
}
