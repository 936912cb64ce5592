import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { at } from "../contract/endpoint/tools.ts";

const run = promisify(execFile);

test("a program that closed its endpoints ends by itself, although it was waiting everywhere", async () => {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "lonely.ts")], { timeout: 30_000 });
  assert.equal(stdout, "done");
});

test("a session whose objects nobody holds lives on", async () => {
  const script = `
    import { makeEndpoint } from ${JSON.stringify(join(import.meta.dirname, "../../src/iroh/endpoint.ts"))};
    const make = alpns => makeEndpoint({ alpns, relay: "none", bind: ["127.0.0.1:0"] });
    let server = await make(["t"]), client = await make([]);
    const accepted = server.accept();
    let near = await client.connect({ id: server.id, addresses: server.addresses().direct }, "t");
    const far = await accepted;
    await near.open().then(stream => stream.write(Buffer.from("a")));
    const stream = await far.accept();
    await stream.read();
    server = client = near = undefined;
    const reading = stream.read().then(() => "ended", () => "broken");
    for (let i = 0; i < 10; i++) {
      globalThis.gc();
      await new Promise(resolve => setImmediate(resolve));
    }
    const first = await Promise.race([reading, new Promise(resolve => setTimeout(resolve, 500, "alive"))]);
    process.stdout.write(first);
    process.exit();`;
  const { stdout } = await run(process.execPath, ["--expose-gc", "--input-type=module", "-e", script]);
  assert.equal(stdout, "alive");
});

test("with relays that no one reaches, an endpoint starts, hands out its direct addresses and says that it has no relay", async () => {
  const endpoint = await makeEndpoint({
    alpns: ["t"],
    relay: { urls: ["https://127.0.0.1:9"] },
    bind: ["127.0.0.1:0"],
    discovery: false,
  });
  const { direct, relayUrl } = endpoint.addresses();
  assert.ok(direct.includes(`127.0.0.1:${endpoint.boundPorts[0]}`));
  assert.equal(relayUrl, undefined);
  const client = await makeEndpoint({ alpns: [], relay: "none", bind: ["127.0.0.1:0"] });
  void endpoint.accept();
  await client.connect(at(endpoint), "t");
  await Promise.all([client.close(), endpoint.close()]);
});

test("an endpoint on all addresses takes its one port in both IP families", async t => {
  const free = await bound("udp4", "0.0.0.0", 0);
  const { port } = free.address();
  free.close();
  const endpoint = await makeEndpoint({ alpns: ["t"], relay: "none", bind: [`0.0.0.0:${port}`] });
  try {
    assert.deepEqual(endpoint.boundPorts, [port]);
    await assert.rejects(bound("udp4", "0.0.0.0", port), { code: "EADDRINUSE" });
    await bound("udp6", "::", 0).then(
      socket => socket.close(),
      () => t.skip("this machine has no IPv6"),
    );
    await assert.rejects(bound("udp6", "::", port), { code: /EADDRINUSE|EAFNOSUPPORT/ });
  } finally {
    await endpoint.close();
  }
});

async function bound(type: "udp4" | "udp6", address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === "udp6" });
  socket.bind({ address, port });
  await once(socket, "listening").catch(error => {
    socket.close();
    throw error;
  });
  return socket;
}
