import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { Host } from "../test/hosts/host.ts";
import { COMMAND, must, type Setting } from "./setting.ts";
import { bytesScript, type Workload } from "./workloads.ts";

/** What one of our processes needed. */
export interface Needed {
  /** Peak of resident memory. */
  readonly mib: number;
  /** Of all its threads. */
  readonly cpuSeconds: number;
}

/** What one run cost. */
export interface Measured {
  /** The whole command, in seconds. */
  readonly seconds: number;
  readonly client?: Needed;
  readonly builder?: Needed;
}

/** Who does the work: this program, Nix's remote builder, or the client's Nix by itself. */
export type Contestant = "drv-thru" | "ssh-ng" | "local";

/** A workload laid on the client. */
export interface Prepared {
  readonly env: Readonly<Record<string, string>>;
  readonly file: string;
}

/** Lays a workload's source, if it has one, in a folder of the client. */
export async function makeSource({ client }: Setting, workload: Workload, mib: number, folder: string): Promise<void> {
  mkdirSync(client.outside(folder), { recursive: true });
  if (workload.source) {
    const script = bytesScript(mib, workload.compressible);
    await must(client, ["sh", "-c", `perl -e '${script}' > ${folder}/source`], "root");
  }
  await must(client, ["chown", "-R", client.user, folder], "root");
}

/** Lays the workload's file for a salt. The name of the source has the salt, so its bytes need not be made anew. */
export function prepare({ client }: Setting, workload: Workload, mib: number, folder: string, salt: string): Prepared {
  const file = `${folder}/${salt}.nix`;
  writeFileSync(client.outside(file), workload.file(mib));
  return { env: { SALT: salt, SRC: `${folder}/source` }, file };
}

/** Runs a prepared workload once. */
export async function measure(setting: Setting, prepared: Prepared, who: Contestant): Promise<Measured> {
  if (who === "drv-thru") return await measureOurs(setting, prepared);
  const { env, file } = prepared;
  // Nobody but the client's own Nix, or nobody but the builder that its configuration names.
  const where = who === "local" ? ["--builders", ""] : ["--max-jobs", "0"];
  const flags = ["--extra-experimental-features", "nix-command", "--impure", "--no-link"];
  return { seconds: await timed(setting.client, ["nix", "build", "-f", file, ...flags, ...where], env) };
}

async function measureOurs(setting: Setting, { env, file }: Prepared): Promise<Measured> {
  const { client, builder } = setting;
  const pid = await setting.serve.pid;
  await must(builder, ["sh", "-c", `echo 5 > /proc/${pid}/clear_refs`], "root");
  const before = await processState(builder, pid);
  const peak = `/tmp/peak-${env["SALT"]}.json`;
  const seconds = await timed(client, [...COMMAND, "build", "-f", file, "--impure", "--no-link", "--quiet"], {
    ...env,
    DRV_THRU_TICKET: setting.ticket,
    NODE_OPTIONS: ["--import=/drv-thru/bench/peak.mjs", ...setting.nodeOptions("client")].join(" "),
    BENCH_PEAK_FILE: peak,
  });
  const { peakKiB, cpu }: { peakKiB: number; cpu: number } = JSON.parse(readFileSync(client.outside(peak), "utf8"));
  const after = await processState(builder, pid);
  return {
    seconds,
    client: { mib: peakKiB / 1024, cpuSeconds: cpu },
    builder: { mib: after.peakMib, cpuSeconds: after.cpuSeconds - before.cpuSeconds },
  };
}

/** What the kernel says of a process: memory now, its peak, and the CPU time of all threads. */
export async function processState(host: Host, pid: number) {
  const text = await must(host, ["cat", `/proc/${pid}/status`, `/proc/${pid}/stat`], "root");
  const mib = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(text)?.[1]) / 1024;
  // After the program's name, which may hold anything: user and system time are the 12th and 13th field, in hundredths.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / 100;
  return { mib: mib("VmRSS"), peakMib: mib("VmHWM"), cpuSeconds };
}

async function timed(host: Host, argv: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const start = performance.now();
  const ended = await host.run(argv, { env });
  const seconds = (performance.now() - start) / 1000;
  if (ended.status !== 0) throw new Error(`${argv.join(" ")} failed:\n${ended.stdout}${ended.stderr.slice(-4000)}`);
  return seconds;
}
