import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { whyNoHosts } from "../test/hosts/can.ts";
import { type Asked, help, readArguments } from "./arguments.ts";
import { type Contestant, type Measured, makeSource, measure, prepare, processState } from "./measure.ts";
import { takeProfiles } from "./profile.ts";
import { makeSetting, must, type Setting } from "./setting.ts";
import { type Row, table } from "./table.ts";
import type { Workload } from "./workloads.ts";

/** `npm run bench`: drv-thru beside Nix's own ssh-ng builder, on two hosts of this machine. */
async function main(): Promise<void> {
  const asked = readArguments(process.argv.slice(2));
  const missing = whyNoHosts();
  if (asked === undefined || missing !== undefined) {
    process.stdout.write(asked === undefined ? help() : `the bench ${missing}\n`);
    return;
  }
  const setting = await makeSetting(asked);
  process.once("SIGINT", () => void setting.stop().then(() => process.exit(130)));
  try {
    await describe(setting);
    const rows: Row[] = [];
    for (const workload of asked.workloads) rows.push(await runWorkload(setting, workload, asked));
    process.stdout.write(`${table(rows)}\n`);
    if (asked.profile) await writeProfiles(setting);
  } finally {
    await setting.stop();
  }
}

/** All do a run before the next begins, so that what else the machine does falls on all alike. */
async function runWorkload(setting: Setting, workload: Workload, { mib: size, runs }: Asked): Promise<Row> {
  const mib = workload.mib === 0 ? 0 : (size ?? workload.mib);
  const results: Record<Contestant, Measured[]> = { "drv-thru": [], "ssh-ng": [], local: [] };
  for (let run = 0; run < runs; run++) {
    const folder = `/home/${setting.client.user}/${workload.id}-${run}`;
    await makeSource(setting, workload, mib, folder);
    for (const who of setting.contestants) {
      const prepared = prepare(setting, workload, mib, folder, `${who}-${randomBytes(6).toString("hex")}`);
      const measured = await measure(setting, prepared, who);
      process.stderr.write(`${workload.id} ${who} ${measured.seconds.toFixed(2)} s\n`);
      results[who].push(measured);
      // The disk need not hold the paths of all runs at once.
      for (const host of [setting.client, setting.builder]) await must(host, ["nix-store", "--gc", "--quiet"], "root");
    }
    rmSync(setting.client.outside(folder), { recursive: true });
  }
  return { title: `${workload.id}: ${workload.title(mib)}`, runs: results };
}

async function describe({ client, builder, serve }: Setting): Promise<void> {
  const nix = (await must(client, ["nix", "--version"])).trim();
  const cores = cpus();
  const lines = [new Date().toISOString().slice(0, 10), `${cores.length} cores, ${cores[0]?.model ?? "unknown"}`];
  // What starting left behind is not what an idle builder holds.
  await sleep(5000);
  const { mib } = await processState(builder, await serve.pid);
  const idle = `the builder idle: ${mib.toFixed(0)} MiB`;
  process.stdout.write(`${[...lines, nix, `Node ${process.version}`, idle].join("; ")}\n\n`);
}

/** The builder writes its profile when it ends. */
async function writeProfiles({ client, builder, serve }: Setting): Promise<void> {
  await serve.signal("SIGTERM");
  await serve.ended;
  for (const host of [client, builder]) process.stdout.write(`\n${takeProfiles(host).join("\n")}`);
}

await main();
