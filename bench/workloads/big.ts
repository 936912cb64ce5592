import { CONTESTANTS, type Contestant } from "../peers/peer.ts";
import { must } from "../setting/must.ts";
import type { Setting } from "../setting/setting.ts";
import { bigOutput, bytesScript, withSources } from "./expressions.ts";
import { collectGarbage, once, sourceOf } from "./job.ts";
import type { Goal, Workload } from "./workload.ts";

/** @number0/iroh moves a dozen MB a second: its rows are smaller ones. */
const FAST = CONTESTANTS.filter(who => who !== "number0");
const GOALS: readonly Goal[] = [
  { against: "ssh-ng", beyond: true, atMost: 1 },
  { against: "seed", beyond: true, atMost: 0.5 },
];

/** What a workload of one big path may say otherwise. */
type Changes = Partial<Omit<Workload, "run" | "lay" | "title">>;

/** One output of so many MiB. */
export function oneOutput(id: string, mib: number, compressible: boolean, changes: Changes = {}): Workload {
  return {
    id,
    title: size => `one ${sizeText(size)} output, ${kindText(compressible)}`,
    mib,
    contestants: FAST,
    goals: GOALS,
    run: thenCollect(once(size => bigOutput(size, compressible))),
    ...changes,
  };
}

/** So many sources that have so many MiB together. */
export function sources(id: string, mib: number, compressible: boolean, count = 1, changes: Changes = {}): Workload {
  const what = count === 1 ? "one" : `${count} sources of together`;
  return {
    id,
    title: size => `${what} ${sizeText(size)}${count === 1 ? " source" : ""}, ${kindText(compressible)}`,
    mib,
    contestants: FAST,
    goals: GOALS,
    lay: async (setting, size) => await makeSource(setting, Math.ceil(size / count), compressible),
    run: thenCollect(once(() => withSources(count))),
    ...changes,
  };
}

/** Lays a file of so many MiB on the client. Its name in the store has the salt, so its bytes need not be made anew. */
export async function makeSource({ client }: Pick<Setting, "client">, mib: number, compressible: boolean) {
  await must(client, ["sh", "-c", `perl -e '${bytesScript(mib, compressible)}' > ${sourceOf(client)}`]);
}

function thenCollect(run: Workload["run"]): Workload["run"] {
  return async (setting, who, mib) => {
    const measured = await run(setting, who, mib);
    await collectGarbage(setting);
    return measured;
  };
}

function kindText(compressible: boolean): string {
  return compressible ? "compressible 3:1" : "random";
}

function sizeText(mib: number): string {
  return mib % 1024 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

const BOTH: Changes = { contestants: ["local", "native", "number0"] satisfies Contestant[], goals: [] };

/** Work whose bytes are many. */
export const BIG: readonly Workload[] = [
  oneOutput("w3c", 1024, true),
  oneOutput("w3r", 1024, false),
  sources("w4c", 1024, true),
  sources("w4r", 1024, false),
  oneOutput("w3nc", 128, true, BOTH),
  oneOutput("w3nr", 128, false, BOTH),
  sources("w4nc", 128, true, 1, BOTH),
  sources("w4nr", 128, false, 1, BOTH),
  sources("w7", 20 * 1024, false, 10, {
    contestants: ["native"],
    goals: [{ memoryMib: 250 }],
    onlyWhenNamed: true,
    patience: 60,
  }),
];
