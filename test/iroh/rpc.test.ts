import { after } from "node:test";
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { type RpcPair, rpcContract } from "../contract/rpc.ts";
import { endPeer, type ForkedPeer, forkPeer } from "./fork-peer.ts";
import { remoteAlpn } from "./remote-protocol.ts";

let running: Promise<ForkedPeer> | undefined;

/** One server in a process of its own for all tests, but for those that kill it. */
async function connect(): Promise<RpcPair> {
  running ??= forkPeer("serving-peer.ts");
  const { child, address } = await running;
  const endpoint = await makeEndpoint({ alpns: [], relay: "none", bind: ["127.0.0.1:0"] });
  const client = await endpoint.connect(address, remoteAlpn);
  const kill = () => {
    running = undefined;
    child.kill("SIGKILL");
  };
  return { client, close: () => endpoint.close(), kill };
}

after(async () => {
  if (running !== undefined) await endPeer((await running).child);
});

rpcContract({ name: "Iroh, two processes", connect });
