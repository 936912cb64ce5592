import { setTimeout as sleep } from "node:timers/promises";
import { processState } from "../peers/ours.ts";
import type { Workload } from "./workload.ts";

/** Seconds until what starting left behind is gone, and those that are watched. */
const [SETTLED, WATCHED] = [5, 10];

/** What a builder needs while nobody asks anything of it. */
export const IDLE: Workload = {
  id: "idle",
  title: () => `a builder that nobody asks anything for ${WATCHED} seconds`,
  mib: 0,
  contestants: ["native", "number0"],
  // 120 MB.
  goals: [{ figure: "builder, MiB", atMost: 114 }],
  run: async ({ builder, ours }, who) => {
    const pid = await ours.get(who)?.serve.pid;
    if (pid === undefined) throw new Error(`${who} does not serve`);
    await sleep(SETTLED * 1000);
    const before = await processState(builder, pid);
    await sleep(WATCHED * 1000);
    const { mib, cpuSeconds } = await processState(builder, pid);
    const cpu = cpuSeconds - before.cpuSeconds;
    return { seconds: Number.NaN, cpuSeconds: cpu, wireMib: 0, figures: { "builder, MiB": mib, "CPU s": cpu } };
  },
};
