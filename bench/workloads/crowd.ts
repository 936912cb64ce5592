import type { Host, HostProcess } from "../../test/hosts/host.ts";
import { type OurBuilder, ourCommand } from "../peers/ours.ts";
import type { Contestant } from "../peers/peer.ts";
import { timed, wireBytes } from "../peers/timed.ts";
import type { Setting } from "../setting/setting.ts";
import { makeSource } from "./big.ts";
import { withSources } from "./expressions.ts";
import { layJob } from "./job.ts";
import type { Workload } from "./workload.ts";

const OTHERS = 7;
const SLOW = { mbit: 10, roundTripMs: 40 };
/** More than the slow client can send while the others build. */
const SLOW_MIB = 256;
const RATIO = "others beside the slow one : alone";

/** Eight clients at once, of which one sends over a slow link. */
export const CROWD: Workload = {
  id: "w5",
  title: mib => `${OTHERS} clients at once, ${mib} MiB of sources in all, beside one on a link of ${SLOW.mbit} Mbit/s`,
  mib: OTHERS * 16,
  contestants: ["native", "number0"],
  runs: 3,
  slowLink: SLOW,
  goals: [{ figure: RATIO, atMost: 1.15 }],
  lay: async (setting, mib) => {
    await makeSource(setting, Math.ceil(mib / OTHERS), false);
    await makeSource({ client: slowOf(setting) }, SLOW_MIB, false);
  },
  run: async (setting, who) => {
    const ours = oursOf(setting, who);
    // Neither of those that are compared is the first after a start.
    await crowd(setting, ours);
    const before = await crowd(setting, ours);
    const slow = await startSlow(setting, ours);
    const beside = await crowd(setting, ours);
    await endSlow(slow);
    const after = await crowd(setting, ours);
    // Before and after, so that what else the machine begins or ends meanwhile weighs less.
    const alone = (before.seconds + after.seconds) / 2;
    return { ...beside, figures: { "alone, s": alone, [RATIO]: beside.seconds / alone } };
  },
};

/** All the others at once; the time until the last is done. */
async function crowd(setting: Setting, ours: OurBuilder) {
  const { builder, client } = setting;
  const jobs = Array.from({ length: OTHERS }, () => layJob(client, withSources(1)));
  const commands = jobs.map(
    job => `env SALT=${job.env["SALT"]} ${ourCommand(setting.installable(job)).join(" ")} & all="$all $!"\n`,
  );
  const script = `${commands.join("")}for one in $all; do wait $one || exit; done`;
  return await timed({ builder, client }, ["bash", "-c", script], { ...jobs[0]?.env, ...environment(ours) });
}

async function startSlow(setting: Setting, ours: OurBuilder): Promise<HostProcess> {
  const slow = slowOf(setting);
  const job = layJob(slow, withSources(1));
  const before = wireBytes(slow);
  const running = slow.spawn(ourCommand(setting.installable(job)), { env: { ...job.env, ...environment(ours) } });
  let ended = false;
  running.ended.then(() => {
    ended = true;
  });
  while (wireBytes(slow) - before < 2 ** 20) {
    if (ended) throw new Error(`the slow client ended at once:\n${running.written("stderr")}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return running;
}

async function endSlow(slow: HostProcess): Promise<void> {
  const early = await Promise.race([slow.ended, undefined]);
  if (early) throw new Error(`the slow client was done before the others:\n${early.stderr}`);
  await slow.signal("SIGINT");
  await slow.ended;
}

function environment(ours: OurBuilder) {
  return { DRV_THRU_IROH: ours.binding, DRV_THRU_TICKET: ours.ticket };
}

function oursOf(setting: Setting, who: Contestant): OurBuilder {
  const found = setting.ours.get(who);
  if (!found) throw new Error(`${who} is not drv-thru`);
  return found;
}

function slowOf({ slow }: Setting): Host {
  if (!slow) throw new Error("there is no second client");
  return slow;
}
