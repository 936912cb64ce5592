import { after } from "node:test";
import { type RpcPair, rpcContract } from "../contract/rpc.ts";
import { type BindingName, type BindingPair, makeWith } from "./bindings.ts";
import { endPeer, type ForkedPeer, forkPeer } from "./fork-peer.ts";
import { remoteAlpn } from "./remote-protocol.ts";

const running = new Map<BindingName, Promise<ForkedPeer>>();

/** One server of an implementation, in a process of its own, for all tests but for those that kill it. */
async function connect(clientIs: BindingName, serverIs: BindingName): Promise<RpcPair> {
  const server = running.get(serverIs) ?? forkPeer("serving-peer.ts", serverIs);
  running.set(serverIs, server);
  const { child, address } = await server;
  const endpoint = await makeWith(clientIs, { alpns: [], relay: "none", bind: ["127.0.0.1:0"] });
  const client = await endpoint.connect(address, remoteAlpn);
  const kill = () => {
    running.delete(serverIs);
    child.kill("SIGKILL");
  };
  return { client, close: () => endpoint.close(), kill };
}

/** The contract of calls, between two processes. */
export function rpcBetween(pairs: readonly BindingPair[]): void {
  for (const { server, client } of pairs) {
    rpcContract({ name: `Iroh, ${client} to ${server} in another process`, connect: () => connect(client, server) });
  }
  after(async () => {
    for (const server of running.values()) await endPeer((await server).child);
  });
}
