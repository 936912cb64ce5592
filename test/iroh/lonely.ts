/** A program that opens a session, says a word and closes: nothing may keep it from ending by itself. */
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { remoteAlpn } from "./remote-protocol.ts";

const server = await makeEndpoint({ alpns: [remoteAlpn], relay: "none", bind: ["127.0.0.1:0"] });
const client = await makeEndpoint({ alpns: [], relay: "none", bind: ["127.0.0.1:0"] });
const accepted = server.accept();
const near = await client.connect({ id: server.id, addresses: server.addresses().direct }, remoteAlpn);
const far = await accepted;
const waits = [far?.accept(), far?.acceptUni(), near.accept(), server.accept()];
const stream = await near.open();
await stream.write(Buffer.from("hello"));
await stream.finish();
const reading = stream.read().catch((error: unknown) => error);
await client.close();
await server.close();
await Promise.all([...waits, reading]);
process.stdout.write("done");
