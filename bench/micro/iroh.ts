// Streams of the room `iroh` between two processes on loopback: MB/s, and CPU seconds of each side for a GB.
// usage: node bench/micro/iroh.ts [--mb 256] [--chunk 65536] [--streams 1,4] [--iroh number0,native]
import { fork } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { type EndpointId, parseId } from "../../src/lib/ids.ts";
import type { Duplex, Session } from "../../src/lib/stream.ts";

const alpn = "drv-thru-bench/1";
const onLoopback = { relay: "none", bind: ["127.0.0.1:0"] } as const;

/** What one side needed. */
interface Cost {
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

function cost(since: NodeJS.CpuUsage): Cost {
  const { user, system } = process.cpuUsage(since);
  return { cpuSeconds: (user + system) / 1e6, peakMb: process.resourceUsage().maxRSS / 1024 };
}

/** The receiving side: a process of its own, which reads all streams of a session and says what that cost. */
async function receive(): Promise<void> {
  const endpoint = await makeEndpoint({ alpns: [alpn], ...onLoopback });
  process.send?.({ id: endpoint.id, port: endpoint.boundPorts[0] });
  process.on("disconnect", () => void endpoint.close());
  const session = await endpoint.accept();
  if (session === undefined) return;
  const started = process.cpuUsage();
  const drains: Promise<void>[] = [];
  session.closed.then(async () => {
    await Promise.all(drains);
    process.send?.(cost(started));
  });
  for (let stream = await session.accept(); stream !== undefined; stream = await session.accept()) {
    drains.push(drain(stream));
  }
}

async function drain(stream: Duplex): Promise<void> {
  while ((await stream.read()) !== undefined);
  await stream.finish();
}

/** Sends so many bytes in one stream and waits until the other side has read them all. */
async function send(session: Session, bytes: number, chunk: Uint8Array): Promise<void> {
  const stream = await session.open();
  for (let sent = 0; sent < bytes; sent += chunk.length) await stream.write(chunk);
  await stream.finish();
  await stream.read();
}

interface Run {
  readonly iroh: string;
  readonly mb: number;
  readonly chunk: number;
  readonly streams: number;
  /** Whether to say it in JSON. */
  readonly json: boolean;
}

async function measure({ iroh, mb, chunk, streams, json }: Run): Promise<void> {
  const child = fork(import.meta.filename, ["--receive"], { env: { ...process.env, DRV_THRU_IROH: iroh } });
  const [{ id, port }] = (await once(child, "message")) as [{ id: string; port: number }];
  const endpoint = await makeEndpoint({ alpns: [], ...onLoopback });
  const address = { id: parseId<EndpointId>(id) as EndpointId, addresses: [`127.0.0.1:${port}`] };
  const session = await endpoint.connect(address, alpn);
  const bytes = Math.ceil((mb * 1e6) / streams / chunk) * chunk;
  const started = process.cpuUsage();
  const begun = performance.now();
  await Promise.all(Array.from({ length: streams }, () => send(session, bytes, new Uint8Array(chunk))));
  const seconds = (performance.now() - begun) / 1000;
  const near = cost(started);
  const heard = once(child, "message") as Promise<[Cost]>;
  await endpoint.close();
  const [far] = await heard;
  child.disconnect();
  await once(child, "exit");
  if (json) {
    console.log(JSON.stringify({ seconds, near, far }));
    return;
  }
  const gb = (bytes * streams) / 1e9;
  const columns = [iroh, streams, chunk, ((gb * 1000) / seconds).toFixed(1)];
  const cpu = [near, far].map(({ cpuSeconds }) => (cpuSeconds / gb).toFixed(1));
  const memory = [near, far].map(({ peakMb }) => peakMb.toFixed(0));
  console.log(`| ${[...columns, ...cpu, ...memory].join(" | ")} |`);
}

const { values } = parseArgs({
  options: {
    receive: { type: "boolean" },
    mb: { type: "string", default: "256" },
    chunk: { type: "string", default: "65536" },
    streams: { type: "string", default: "1,4" },
    iroh: { type: "string", default: "number0,native" },
    one: { type: "boolean" },
    json: { type: "boolean", default: false },
  },
});

if (values.receive) await receive();
else if (values.one) {
  await measure({
    iroh: values.iroh,
    mb: Number(values.mb),
    chunk: Number(values.chunk),
    streams: Number(values.streams),
    json: values.json,
  });
} else {
  console.log(
    "| Iroh | streams | bytes a write | MB/s | CPU s/GB, sender | receiver | MB at most, sender | receiver |",
  );
  console.log("|---|---|---|---|---|---|---|---|");
  for (const iroh of values.iroh.split(",")) {
    for (const streams of values.streams.split(",")) {
      const args = ["--one", "--iroh", iroh, "--streams", streams, "--mb", values.mb, "--chunk", values.chunk];
      const env = { ...process.env, DRV_THRU_IROH: iroh };
      const child = fork(import.meta.filename, args, { env });
      await once(child, "exit");
    }
  }
}
