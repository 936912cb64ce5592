import { type Endpoint, makeEndpoint } from "../../src/iroh/endpoint.ts";
import { type EndpointId, parseId } from "../../src/lib/ids.ts";
import type { Session } from "../../src/lib/stream.ts";

const alpn = "conformance/1";

/** Loopback endpoints without relays; SIGTERM closes them, so that their peers need not wait. */
export async function loopback(): Promise<Endpoint> {
  const endpoint = await makeEndpoint({ alpns: [alpn], relay: "none", bind: ["127.0.0.1:0"] });
  process.once("SIGTERM", () => {
    void endpoint.close().then(() => process.exit());
  });
  return endpoint;
}

/** Hands every session that peers open to `serve`. */
export async function acceptAll(endpoint: Endpoint, serve: (session: Session) => void): Promise<void> {
  for (let session = await endpoint.accept(); session !== undefined; session = await endpoint.accept()) serve(session);
}

/** A session with the endpoint of this id, on a port of this machine. */
export function dial(endpoint: Endpoint, id: string, port: number): Promise<Session> {
  const parsed = parseId<EndpointId>(id);
  if (parsed === undefined) throw new Error(`${id} is no endpoint id`);
  return endpoint.connect({ id: parsed, addresses: [`127.0.0.1:${port}`] }, alpn);
}

/** A session from one endpoint to another in this process. */
export function dialOwn(from: Endpoint, to: Endpoint): Promise<Session> {
  return dial(from, to.id, to.boundPorts[0] ?? 0);
}
