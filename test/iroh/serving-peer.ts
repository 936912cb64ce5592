/** A process of its own that serves the contract's test service over Iroh until its parent is gone. */
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { serveTestService } from "../transport/trial.ts";
import { type RemoteNews, remoteAlpn } from "./remote-protocol.ts";

const endpoint = await makeEndpoint({ alpns: [remoteAlpn], relay: "none", bind: ["127.0.0.1:0"] });
process.on("disconnect", () => void endpoint.close());
const news: RemoteNews = { news: "endpoint", id: endpoint.id, addresses: endpoint.addresses().direct };
process.send?.(news);
for (let session = await endpoint.accept(); session !== undefined; session = await endpoint.accept()) {
  serveTestService(session);
}
