import { CONTESTANTS } from "../peers/peer.ts";
import { CLOSURE, manyDerivations, PROJECT, TRIVIAL } from "./expressions.ts";
import { anyOfOurs, buildThere, inAll, layJob, newSalt, once } from "./job.ts";
import type { Workload } from "./workload.ts";

const EDITS = 5;

/** Work whose bytes are few. */
export const SMALL: readonly Workload[] = [
  {
    id: "w1",
    title: () => "one trivial derivation",
    mib: 0,
    contestants: CONTESTANTS,
    runs: 5,
    goals: [
      { against: "ssh-ng", atMost: 0.75 },
      { against: "seed", atMost: 0.55 },
    ],
    run: once(() => TRIVIAL),
  },
  {
    id: "w2",
    title: () => "1,000 small derivations, 1,001 outputs",
    mib: 0,
    contestants: CONTESTANTS,
    goals: [
      { against: "seed", beyond: true, atMost: 1 / 8 },
      { against: "store", beyond: true, atMost: 1 / 3 },
    ],
    run: once(() => manyDerivations(1000)),
  },
  {
    id: "w2b",
    title: () => "the same with all outputs ready on the builder",
    mib: 0,
    // Nix's remote builder asks for each by itself, as in w2.
    contestants: ["native", "number0", "store", "seed"],
    goals: [
      { against: "seed", atMost: 1 / 12 },
      { against: "store", atMost: 0.8 },
    ],
    run: outputsReady(1000),
  },
  {
    id: "w6",
    title: () => "outputs already here; local is Nix's own nix build",
    mib: 0,
    contestants: ["local", "native", "number0", "store", "seed"],
    runs: 5,
    goals: [{ against: "local", atMost: 2 }],
    run: async (setting, who) => {
      const job = layJob(setting.client, TRIVIAL);
      await buildThere(setting.client, job, setting);
      return await setting.peer(who).build(job);
    },
  },
  {
    id: "edits",
    title: () => `a project of 200 derivations, ${EDITS} small edits in a row that change 3 each`,
    mib: 0,
    contestants: CONTESTANTS,
    goals: [{ against: "ssh-ng", atMost: 0.5 }],
    run: async (setting, who) => {
      const { folder, env } = layJob(setting.client, PROJECT);
      const edited = (edit: string) => ({ folder, env: { ...env, EDIT: edit } });
      await anyOfOurs(setting).build(edited("not yet"));
      const runs = [];
      for (let edit = 1; edit <= EDITS; edit++) runs.push(await setting.peer(who).build(edited(`edit ${edit}`)));
      return inAll(runs);
    },
  },
  {
    id: "closure",
    title: () => "inputs of 5,000 paths of which the builder lacks 20",
    mib: 0,
    contestants: CONTESTANTS,
    lay: async setting => void (await anyOfOurs(setting).build(layJob(setting.client, CLOSURE))),
    run: once(() => CLOSURE),
  },
];

/** The outputs of so many small derivations, which the builder has made before. */
export function outputsReady(count: number): Workload["run"] {
  return async (setting, who) => {
    const salt = newSalt();
    const text = manyDerivations(count);
    await buildThere(setting.builder, layJob(setting.builder, text, salt), setting);
    return await setting.peer(who).build(layJob(setting.client, text, salt));
  };
}
