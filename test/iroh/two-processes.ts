import { after } from "node:test";
import { type SessionPair, sessionContract } from "../contract/session.ts";
import { type BindingName, type BindingPair, makeWith } from "./bindings.ts";
import { remoteAlpn } from "./remote-protocol.ts";
import { RemotePeer } from "./remote-session.ts";

type Other = ReturnType<typeof RemotePeer.start>;
const others = new Map<BindingName, Other>();

/** One process serves all tests of an implementation, but for those that kill it. */
async function otherProcess(server: BindingName): Other {
  const running = others.get(server);
  if (running !== undefined && (await running).peer.alive) return running;
  const started = RemotePeer.start(server);
  others.set(server, started);
  return started;
}

async function connect(client: BindingName, server: BindingName): Promise<SessionPair> {
  const { peer, address } = await otherProcess(server);
  const endpoint = await makeWith(client, { alpns: [], relay: "none", bind: ["127.0.0.1:0"] });
  const near = await endpoint.connect(address, remoteAlpn);
  const far = await peer.nextSession();
  return { client: near, server: far, close: () => endpoint.close(), kill: () => peer.kill() };
}

/** The contract of sessions, between two processes. */
export function twoProcesses(pairs: readonly BindingPair[]): void {
  for (const { server, client } of pairs) {
    const name = `Iroh, ${client} to ${server} in another process`;
    sessionContract({ name, connect: () => connect(client, server) });
  }
  after(async () => {
    for (const other of others.values()) await (await other).peer.stop();
  });
}
