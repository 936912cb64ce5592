/** A program that leaves in the given way while calls of its Iroh are under way everywhere. */
import { parentPort, Worker } from "node:worker_threads";
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { type EndpointId, parseId } from "../../src/lib/ids.ts";
import { remoteAlpn } from "./remote-protocol.ts";

const [how = "", id = "", address = ""] = process.argv.slice(2);
if (how.startsWith("worker")) await fromWorker(how.slice("worker-".length));
else {
  await keepBusy();
  if (how === "exit") process.exit(0);
  if (how === "terminate") parentPort?.postMessage("busy");
  if (how === "throw") throw new Error("on purpose");
}

/** Calls that nobody will answer. */
async function keepBusy(): Promise<void> {
  const endpoint = await makeEndpoint({ alpns: ["x"], relay: "none", bind: ["127.0.0.1:0"] });
  void endpoint.accept();
  const peer = { id: parseId<EndpointId>(id) as EndpointId, addresses: [address] };
  const session = await endpoint.connect(peer, remoteAlpn);
  void session.accept();
  void session.acceptUni();
  const stream = await session.open();
  await stream.write(Uint8Array.of(1));
  void stream.read();
  const blocked = await session.open();
  void blocked.write(new Uint8Array(20 * 1024 * 1024));
  void endpoint.connect({ ...peer, addresses: ["127.0.0.1:9"] }, remoteAlpn);
}

/** A thread that is busy so, and is ended from outside, or ends itself. */
async function fromWorker(end: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(new URL(import.meta.url), { argv: [end, id, address], stdout: false });
    if (end === "terminate") {
      await new Promise(resolve => worker.once("message", resolve));
      await worker.terminate();
    } else await new Promise(resolve => worker.once("exit", resolve));
  }
  process.stdout.write("left");
}
