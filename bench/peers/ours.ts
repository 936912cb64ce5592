import { readFileSync } from "node:fs";
import type { Host, HostProcess } from "../../test/hosts/host.ts";
import { must } from "../setting/must.ts";
import { cpuSecondsIn } from "./host-cpu.ts";
import type { Installable } from "./nix.ts";
import type { Measured, Peer } from "./peer.ts";
import { type Pair, timed } from "./timed.ts";

/** The command as it is published. */
const COMMAND = ["/drv-thru/node_modules/.bin/node", "/drv-thru/dist/bin.js"] as const;

/** One of our two ways to move bytes. */
export type Binding = "native" | "number0";

/** A running `drv-thru serve`. */
export interface OurBuilder {
  readonly binding: Binding;
  readonly serve: HostProcess;
  readonly signingKey: string;
  readonly ticket: string;
}

/** Starts `drv-thru serve` and makes a ticket. */
export async function startOurs(builder: Host, binding: Binding, nodeOptions: readonly string[]): Promise<OurBuilder> {
  const data = ["--data-dir", `/home/builder/data-${binding}`];
  const serve = builder.spawn([...COMMAND, "serve", ...data, "--relay", "none"], {
    env: { NODE_OPTIONS: nodeOptions.join(" "), DRV_THRU_IROH: binding },
  });
  const [signingKey] = await serve.until(/drv-thru\S*:[A-Za-z0-9+/]{43}=/);
  await serve.until(/drv-thru ticket create/);
  const limits = ["--unlimited", "--max-upload-bytes", "100G"];
  const ticket = (await must(builder, [...COMMAND, "ticket", "create", ...limits, ...data])).trim();
  return { binding, serve, signingKey, ticket };
}

/** The command for a job, and its environment: also for a client that is not measured. */
export function ourCommand(installable: readonly string[]): string[] {
  return [...COMMAND, "build", ...installable, "--impure", "--no-link", "--quiet"];
}

/** drv-thru, with memory and CPU time of both its processes. */
export function ourPeer(
  { builder, client }: Pair,
  ours: OurBuilder,
  installable: Installable,
  nodeOptions: readonly string[],
): Peer {
  return {
    build: async job => {
      const pid = await ours.serve.pid;
      await must(builder, ["sh", "-c", `echo 5 > /proc/${pid}/clear_refs`], "root");
      const before = await processState(builder, pid);
      const peak = `/tmp/peak-${job.env["SALT"]}.json`;
      const cost = await timed({ builder, client }, ourCommand(installable(job)), {
        ...job.env,
        DRV_THRU_IROH: ours.binding,
        DRV_THRU_TICKET: ours.ticket,
        NODE_OPTIONS: ["--require=/drv-thru/bench/setting/peak.cjs", ...nodeOptions].join(" "),
        BENCH_PEAK_FILE: peak,
      });
      const { peakKiB, cpu }: { peakKiB: number; cpu: number } = JSON.parse(readFileSync(client.outside(peak), "utf8"));
      const after = await processState(builder, pid);
      return {
        ...cost,
        client: { mib: peakKiB / 1024, cpuSeconds: cpu },
        builder: { mib: after.peakMib, cpuSeconds: after.cpuSeconds - before.cpuSeconds },
      } satisfies Measured;
    },
  };
}

/** What the kernel says of a process: memory now, its peak, and the CPU time of all threads. */
export async function processState(host: Host, pid: number) {
  const text = await must(host, ["cat", `/proc/${pid}/status`, `/proc/${pid}/stat`], "root");
  const mib = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(text)?.[1]) / 1024;
  return { mib: mib("VmRSS"), peakMib: mib("VmHWM"), cpuSeconds: cpuSecondsIn(text, 2) };
}
