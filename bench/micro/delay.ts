// One stream over a link with a delay: MB/s. Both ends are in network namespaces of their own, whose only way is a relay here that holds every
// datagram back; on one machine Iroh would find the way round it. usage, as root: node bench/micro/delay.ts [--ms 100] [--mb 200] [--iroh native]
import { type ChildProcess, execFileSync, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { type EndpointId, parseId } from "../../src/lib/ids.ts";
import { delayedLink } from "./delayed-link.ts";

const alpn = "drv-thru-bench/1";
const chunk = new Uint8Array(64 * 1024);
const nets = { send: ["10.77.1.1", "10.77.1.2"], receive: ["10.77.2.1", "10.77.2.2"] } as const;
type Role = keyof typeof nets;

const { values } = parseArgs({
  options: {
    role: { type: "string" },
    ms: { type: "string", default: "100" },
    mb: { type: "string", default: "200" },
    iroh: { type: "string", default: "native" },
  },
});

if (values.role === "receive") await receive();
else if (values.role === "send") await send();
else if (values.role === "link") await link();
else {
  const inside = [process.execPath, import.meta.filename, "--role", "link", ...process.argv.slice(2)];
  const { status } = spawnSync("unshare", ["--net", ...inside], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}

/** Between both ends: makes them, their links and the delay, and says how it went. */
async function link(): Promise<void> {
  const receiver = await end("receive");
  const sender = await end("send");
  receiver.send("go");
  const [{ id, port }] = (await once(receiver, "message")) as [{ id: string; port: number }];
  const to = { host: nets.receive[1], port };
  const roundTripMs = Number(values.ms);
  const outside = await delayedLink({ outside: nets.send[0], inside: nets.receive[0], to, roundTripMs });
  sender.send({ id, address: `${nets.send[0]}:${outside}` });
  const [{ seconds, rttMs }] = (await once(sender, "message")) as [{ seconds: number; rttMs: number }];
  const rate = Number(values.mb) / seconds;
  console.log(`${values.iroh}: ${rate.toFixed(1)} MB/s in one stream, round trip ${rttMs.toFixed(0)} ms`);
  for (const child of [sender, receiver]) child.disconnect();
  process.exit();
}

/** One end, in a namespace with a link to here. */
async function end(role: Role): Promise<ChildProcess> {
  const [here, there] = nets[role];
  const child = fork(import.meta.filename, ["--role", role, "--mb", values.mb], {
    execPath: "unshare",
    execArgv: ["--net", process.execPath],
    env: { ...process.env, DRV_THRU_IROH: values.iroh },
  });
  await once(child, "message");
  const ip = (...args: string[]) => execFileSync("ip", args);
  const within = (...args: string[]) => execFileSync("nsenter", ["-t", String(child.pid), "--net", "ip", ...args]);
  ip("link", "add", role, "type", "veth", "peer", "name", "way", "netns", String(child.pid));
  ip("addr", "add", `${here}/24`, "dev", role);
  ip("link", "set", role, "up");
  within("addr", "add", `${there}/24`, "dev", "way");
  for (const name of ["way", "lo"]) within("link", "set", "dev", name, "up");
  return child;
}

async function receive(): Promise<void> {
  process.send?.("here");
  await once(process, "message");
  const endpoint = await makeEndpoint({ alpns: [alpn], relay: "none", bind: [`${nets.receive[1]}:0`] });
  process.on("disconnect", () => void endpoint.close());
  process.send?.({ id: endpoint.id, port: endpoint.boundPorts[0] });
  const stream = await (await endpoint.accept())?.accept();
  while ((await stream?.read()) !== undefined);
  await stream?.finish();
}

async function send(): Promise<void> {
  process.send?.("here");
  const [{ id, address }] = (await once(process, "message")) as [{ id: string; address: string }];
  const endpoint = await makeEndpoint({ alpns: [], relay: "none", bind: [`${nets.send[1]}:0`] });
  process.on("disconnect", () => void endpoint.close());
  const session = await endpoint.connect({ id: parseId<EndpointId>(id) as EndpointId, addresses: [address] }, alpn);
  const stream = await session.open();
  const begun = performance.now();
  for (let sent = 0; sent < Number(values.mb) * 1e6; sent += chunk.length) await stream.write(chunk);
  await stream.finish();
  await stream.read();
  process.send?.({ seconds: (performance.now() - begun) / 1000, rttMs: session.path().rttMs });
}
