import { CONTESTANTS } from "../peers/peer.ts";
import { oneOutput, sources } from "./big.ts";
import { manySources, TRIVIAL } from "./expressions.ts";
import { layJob, once } from "./job.ts";
import { outputsReady } from "./small.ts";
import type { Workload } from "./workload.ts";

const LINK = { mbit: 100, roundTripMs: 40 };
/** Milliseconds of round trip by which a command is made slower to count how often it waits for one. */
const COUNTED_MS = 200;
const COMPRESSIBLE = { link: LINK, contestants: CONTESTANTS, goals: [{ against: "ssh-ng", atMost: 1 / 2.5 }] } as const;

/** Work over a link as to another place: 100 Mbit/s and 40 ms. */
export const FAR: readonly Workload[] = [
  far(sources("far-source-c", 200, true, 1, COMPRESSIBLE)),
  far(sources("far-source-r", 200, false, 1, { link: LINK, contestants: CONTESTANTS, goals: [] })),
  far(oneOutput("far-output-c", 200, true, COMPRESSIBLE)),
  far({
    id: "far-sources",
    title: () => "300 small sources of one derivation",
    mib: 0,
    contestants: CONTESTANTS,
    link: LINK,
    run: once(() => manySources(300)),
  }),
  far({
    id: "far-outputs",
    title: () => "301 small outputs that are ready on the builder",
    mib: 0,
    contestants: ["native", "number0", "store", "seed"],
    link: LINK,
    run: outputsReady(300),
  }),
  {
    id: "trips",
    title: () => `one trivial derivation ${COUNTED_MS} ms away, and how many round trips the command waits for`,
    mib: 0,
    contestants: CONTESTANTS.filter(who => who !== "local"),
    runs: 3,
    link: { mbit: 1000, roundTripMs: 0 },
    run: async (setting, who) => {
      const peer = setting.peer(who);
      setting.link?.delay(0);
      const near = await peer.build(layJob(setting.client, TRIVIAL));
      setting.link?.delay(COUNTED_MS);
      const measured = await peer.build(layJob(setting.client, TRIVIAL));
      const trips = ((measured.seconds - near.seconds) * 1000) / COUNTED_MS;
      return { ...measured, figures: { "round trips": trips } };
    },
  },
];

function far(workload: Workload): Workload {
  return { ...workload, title: mib => `${workload.title(mib)}, at ${LINK.mbit} Mbit/s and ${LINK.roundTripMs} ms` };
}
