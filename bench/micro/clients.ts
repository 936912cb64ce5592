// What an idle builder needs, and one to which many idle clients are connected: memory, CPU, and how long its status takes.
// usage: npm run build && node bench/micro/clients.ts [--clients 1000] [--seconds 30] [--iroh number0,native] [--tickets 0] [--builds 0]
// Runs `drv-thru serve` as it is compiled, with this machine's Nix, and one other process that is all the clients. Linux alone.
import { type ChildProcess, fork, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createClient } from "@connectrpc/connect";
import { Status } from "../../gen/drvthru/v1/status_pb.js";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import { type Endpoint, makeEndpoint } from "../../src/iroh/endpoint.ts";
import type { EndpointId } from "../../src/lib/ids.ts";
import { BUILDER_ALPN } from "../../src/lib/protocol.ts";
import { proofKind, prove } from "../../src/tickets/proof.ts";
import { parseTicket } from "../../src/tickets/text.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { unixSession } from "../../src/transport/unix.ts";
import { databaseWith } from "../../test/state/history.ts";

const COMMAND = join(import.meta.dirname, "../../dist/bin.js");
/** Connections of one endpoint: as many as the builder takes. */
const OF_ONE = 8;
/** Connections that one ticket is used for: fewer than the builder takes. */
const OF_TICKET = 400;
/** Connections that are opened at once. */
const AT_ONCE = 8;

interface Serving {
  readonly endpointId: EndpointId;
  readonly addresses: readonly string[];
  readonly socketPath: string;
}

/** What the clients are told: where to go, and with which tickets. */
interface Crowd {
  readonly serving: Serving;
  readonly tickets: readonly string[];
  readonly clients: number;
}

/** All clients in one process. */
async function beClients({ serving, tickets, clients }: Crowd): Promise<void> {
  const endpoints: Endpoint[] = [];
  const arrive = async (n: number) => {
    const at = Math.floor(n / OF_ONE);
    const endpoint = endpoints[at];
    const text = tickets[Math.floor(n / OF_TICKET)];
    if (endpoint === undefined || text === undefined) throw new Error("there are too few endpoints or tickets");
    const peer = { id: serving.endpointId, addresses: serving.addresses };
    const session = await endpoint.connect(peer, BUILDER_ALPN);
    const ends = { builder: serving.endpointId, connection: endpoint.id };
    const proofs = [prove("client-key", randomBytes(32), ends), prove("ticket", parseTicket(text).secret, ends)];
    await createClient(Tickets, connectTransport(session)).present({
      proofs: proofs.map(proof => ({ ...proof, kind: proofKind[proof.kind] })),
    });
  };
  for (let n = 0; n < clients; n += OF_ONE)
    endpoints.push(await makeEndpoint({ alpns: [], relay: "none", bind: ["127.0.0.1:0"] }));
  for (let n = 0; n < clients; n += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, clients - n) }, (_, more) => arrive(n + more)));
  }
  process.send?.("connected");
  await once(process, "disconnect");
  await Promise.all(endpoints.map(endpoint => endpoint.close()));
}

/** What the kernel says of a process. */
function needs(pid: number): { readonly mib: number; readonly peakMib: number; readonly cpuSeconds: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { mib: mib("VmRSS"), peakMib: mib("VmHWM"), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100 };
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 21; run++) {
    const begun = performance.now();
    await work();
    times.push(performance.now() - begun);
  }
  return times.toSorted((a, b) => a - b)[10] ?? 0;
}

async function measure(pid: number, socketPath: string, seconds: number): Promise<string[]> {
  const before = needs(pid);
  await sleep(seconds * 1000);
  const after = needs(pid);
  const percent = ((after.cpuSeconds - before.cpuSeconds) / seconds) * 100;
  const session = unixSession(socketPath);
  const status = createClient(Status, connectTransport(session));
  const tickets = createClient(Tickets, connectTransport(session));
  const statusMs = await median(() => status.get({}));
  const listMs = await median(() => Array.fromAsync(tickets.list({})));
  await session.close();
  const numbers = [after.mib.toFixed(0), after.peakMib.toFixed(0), `${percent.toFixed(1)} %`];
  return [...numbers, statusMs.toFixed(1), listMs.toFixed(1)];
}

async function start(folder: string, iroh: string, builds: number): Promise<{ child: ChildProcess; serving: Serving }> {
  const config = join(folder, "config.json");
  const limit = Math.max(20, Math.min(builds, 10_000));
  const fields = { data_dir: folder, relay: "none", bind: ["127.0.0.1:0"], recent_builds_limit: limit };
  writeFileSync(config, JSON.stringify(fields));
  const args = ["serve", "--config", config, "--json"];
  const env = { ...process.env, DRV_THRU_IROH: iroh };
  const child = spawn(process.execPath, [COMMAND, ...args], { env, stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, serving: JSON.parse(line) };
}

async function makeTickets(socketPath: string, count: number): Promise<string[]> {
  const session = unixSession(socketPath);
  const tickets = createClient(Tickets, connectTransport(session));
  const limits = { name: "crowd", expiresSeconds: 3600n, uses: 0n, maxBuildSeconds: 60n, maxUploadBytes: 1n };
  const made = await Promise.all(Array.from({ length: count }, () => tickets.create(limits)));
  await session.close();
  return made.map(({ ticket }) => ticket);
}

async function runWith(iroh: string, clients: number, seconds: number, history: { tickets: number; builds: number }) {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-bench-clients-"));
  mkdirSync(join(folder, "state"));
  if (history.tickets + history.builds > 0) await databaseWith(folder, history).close();
  const { child, serving } = await start(folder, iroh, history.builds);
  const pid = child.pid ?? 0;
  const row = (what: string, cells: readonly string[]) => console.log(`| ${[iroh, what, ...cells].join(" | ")} |`);
  try {
    await sleep(5_000);
    row("nobody", await measure(pid, serving.socketPath, seconds));
    const tickets = await makeTickets(serving.socketPath, Math.ceil(clients / OF_TICKET));
    const crowd = fork(import.meta.filename, ["--crowd"], { env: { ...process.env, DRV_THRU_IROH: iroh } });
    crowd.send({ serving, tickets, clients } satisfies Crowd);
    await Promise.race([once(crowd, "message"), once(crowd, "exit").then(() => Promise.reject(new Error("no crowd")))]);
    await sleep(5_000);
    row(`${clients} clients`, await measure(pid, serving.socketPath, seconds));
    crowd.disconnect();
    await once(crowd, "exit");
  } finally {
    child.kill();
    await once(child, "exit");
    rmSync(folder, { recursive: true });
  }
}

const { values } = parseArgs({
  options: {
    crowd: { type: "boolean" },
    clients: { type: "string", default: "1000" },
    seconds: { type: "string", default: "30" },
    iroh: { type: "string", default: "number0,native" },
    tickets: { type: "string", default: "0" },
    builds: { type: "string", default: "0" },
  },
});

if (values.crowd) await beClients(((await once(process, "message")) as [Crowd])[0]);
else if (!existsSync(COMMAND)) {
  console.error("error: the program is not compiled\n\n  npm run build");
  process.exitCode = 1;
} else {
  console.log("| Iroh | connected | MiB resident | MiB at most | CPU of one core | `status` ms | `ticket list` ms |");
  console.log("|---|---|---|---|---|---|---|");
  const history = { tickets: Number(values.tickets), builds: Number(values.builds) };
  for (const iroh of values.iroh.split(",")) {
    await runWith(iroh, Number(values.clients), Number(values.seconds), history);
  }
}
