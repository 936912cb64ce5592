import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Measured } from "../peers/peer.ts";
import type { Workload } from "./workload.ts";

const script = join(import.meta.dirname, "../micro/iroh.ts");

/** What one stream of each Iroh does with nothing around it: the limit of the rows above. */
export const BARE: Workload = {
  id: "bare",
  title: mib => `${mib} MiB over one bare stream of Iroh between two processes`,
  mib: 128,
  contestants: ["native", "number0"],
  run: async (_setting, who, mib) => {
    const megabytes = mib * 1.048576;
    const args = ["--one", "--json", "--streams", "1", "--iroh", who, "--mb", String(megabytes)];
    const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, DRV_THRU_IROH: who } });
    let text = "";
    for await (const piece of child.stdout.setEncoding("utf8")) text += piece;
    const { seconds, near, far } = JSON.parse(text);
    const needed = ({ cpuSeconds, peakMb }: { cpuSeconds: number; peakMb: number }) => ({ mib: peakMb, cpuSeconds });
    const cost = { seconds, cpuSeconds: near.cpuSeconds + far.cpuSeconds, wireMib: mib } satisfies Measured;
    return { ...cost, client: needed(near), builder: needed(far), figures: { "MB/s": megabytes / seconds } };
  },
};
