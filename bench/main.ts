import { randomBytes } from "node:crypto";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { whyNoHosts } from "../test/hosts/can.ts";
import { type Contestant, type Measured, measure, prepare } from "./measure.ts";
import { makeSetting, must, type Setting } from "./setting.ts";
import { type Row, table } from "./table.ts";
import { WORKLOADS, type Workload } from "./workloads.ts";

/** `npm run bench -- [--only w1,w3r] [--runs N]`: drv-thru beside Nix's own ssh-ng builder, on two hosts of this machine. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { only: { type: "string" }, runs: { type: "string", default: "1" }, "no-peer": { type: "boolean" } },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs} is not a number above 0`);
  const chosen = choose(values.only);
  const missing = whyNoHosts();
  if (missing) {
    process.stdout.write(`the bench ${missing}\n`);
    return;
  }
  const setting = await makeSetting();
  process.once("SIGINT", () => void setting.stop().then(() => process.exit(130)));
  try {
    await describeMachine(setting);
    const rows: Row[] = [];
    for (const workload of chosen) rows.push(await runWorkload(setting, workload, runs, values["no-peer"] === true));
    process.stdout.write(`${table(rows)}\n`);
  } finally {
    await setting.stop();
  }
}

function choose(only: string | undefined): Workload[] {
  if (only === undefined) return WORKLOADS.filter(workload => !workload.onlyWhenNamed);
  return only.split(",").map(id => {
    const found = WORKLOADS.find(workload => workload.id === id);
    if (!found) throw new Error(`no workload ${id}; there are ${WORKLOADS.map(w => w.id).join(", ")}`);
    return found;
  });
}

/** Both do a run before the next begins, so that what else the machine does falls on both alike. */
async function runWorkload(setting: Setting, workload: Workload, runs: number, noPeer: boolean): Promise<Row> {
  const contestants: Contestant[] =
    setting.ssh && !noPeer && !workload.onlyWhenNamed ? ["drv-thru", "ssh-ng"] : ["drv-thru"];
  const results: Record<Contestant, Measured[]> = { "drv-thru": [], "ssh-ng": [] };
  for (let run = 0; run < runs; run++) {
    for (const who of contestants) {
      const env = await prepare(setting.client, workload, `${workload.id}-${randomBytes(6).toString("hex")}`);
      const measured = await measure(setting, env, who);
      process.stderr.write(`${workload.id} ${who} ${measured.seconds.toFixed(2)} s\n`);
      results[who].push(measured);
    }
  }
  return { workload, ours: results["drv-thru"], peer: results["ssh-ng"] };
}

async function describeMachine({ client }: Setting): Promise<void> {
  const nix = (await must(client, ["nix", "--version"])).trim();
  const cores = cpus();
  const lines = [new Date().toISOString().slice(0, 10), `${cores.length} cores, ${cores[0]?.model ?? "unknown"}`];
  process.stdout.write(`${[...lines, nix, `Node ${process.version}`].join("; ")}\n\n`);
}

await main();
