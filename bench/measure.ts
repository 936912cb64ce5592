import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { Host } from "../test/hosts/host.ts";
import { COMMAND, must, type Setting } from "./setting.ts";
import { bytesScript, type Workload } from "./workloads.ts";

/** What one run cost. */
export interface Measured {
  /** The whole command, in seconds. */
  readonly seconds: number;
  /** Peak memory in MiB, of our own processes. */
  readonly clientMiB?: number;
  readonly builderMiB?: number;
}

/** Who does the work. */
export type Contestant = "drv-thru" | "ssh-ng";

/** Lays the workload's file, and its source, for a salt. */
export async function prepare(client: Host, workload: Workload, salt: string): Promise<Record<string, string>> {
  const folder = `/home/${client.user}/${salt}`;
  mkdirSync(client.outside(folder), { recursive: true });
  writeFileSync(client.outside(`${folder}/work.nix`), workload.file);
  if (workload.source) {
    const script = bytesScript(workload.source.bytes, workload.source.compressible);
    await must(client, ["sh", "-c", `perl -e '${script}' > ${folder}/source`], "root");
  }
  await must(client, ["chown", "-R", client.user, folder], "root");
  return { SALT: salt, SRC: `${folder}/source`, WORK: `${folder}/work.nix` };
}

/** Runs a prepared workload once. */
export async function measure(setting: Setting, env: Record<string, string>, who: Contestant): Promise<Measured> {
  const { client, builder } = setting;
  const file = env["WORK"] ?? "";
  if (who === "ssh-ng") {
    const flags = ["--extra-experimental-features", "nix-command", "--impure", "--no-link", "--max-jobs", "0"];
    return { seconds: await timed(client, ["nix", "build", "-f", file, ...flags], env) };
  }
  const servePid = String(await setting.serve.pid);
  await must(builder, ["sh", "-c", `echo 5 > /proc/${servePid}/clear_refs`], "root");
  const peak = `/tmp/peak-${env["SALT"]}.json`;
  const seconds = await timed(client, [...COMMAND, "build", "-f", file, "--impure", "--no-link", "--quiet"], {
    ...env,
    DRV_THRU_TICKET: setting.ticket,
    NODE_OPTIONS: "--import=/drv-thru/bench/peak.mjs",
    BENCH_PEAK_FILE: peak,
  });
  const { peakKiB }: { peakKiB: number } = JSON.parse(readFileSync(client.outside(peak), "utf8"));
  const status = await must(builder, ["cat", `/proc/${servePid}/status`], "root");
  const builderKiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
  return { seconds, clientMiB: peakKiB / 1024, builderMiB: builderKiB / 1024 };
}

async function timed(host: Host, argv: readonly string[], env: Record<string, string>): Promise<number> {
  const start = performance.now();
  const ended = await host.run(argv, { env });
  const seconds = (performance.now() - start) / 1000;
  if (ended.status !== 0) throw new Error(`${argv.join(" ")} failed:\n${ended.stdout}${ended.stderr.slice(-4000)}`);
  return seconds;
}
