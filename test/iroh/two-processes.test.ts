import { after } from "node:test";
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { type SessionPair, sessionContract } from "../contract/session.ts";
import { remoteAlpn } from "./remote-protocol.ts";
import { RemotePeer } from "./remote-session.ts";

let other: ReturnType<typeof RemotePeer.start> | undefined;

/** One process serves all tests, but for the one that kills it. */
async function otherProcess(): ReturnType<typeof RemotePeer.start> {
  if (!(await other)?.peer.alive) other = RemotePeer.start();
  return other ?? RemotePeer.start();
}

async function connect(): Promise<SessionPair> {
  const { peer, address } = await otherProcess();
  const endpoint = await makeEndpoint({ alpns: [], relay: "none", bind: ["127.0.0.1:0"] });
  const client = await endpoint.connect(address, remoteAlpn);
  const server = await peer.nextSession();
  return { client, server, close: () => endpoint.close(), kill: () => peer.kill() };
}

after(async () => (await other)?.peer.stop());

sessionContract({ name: "Iroh, two processes", connect });
