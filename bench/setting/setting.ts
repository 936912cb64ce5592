import { availableParallelism } from "node:os";
import { type Host, makeHost } from "../../test/hosts/host.ts";
import type { Installable } from "../peers/nix.ts";
import type { OurBuilder } from "../peers/ours.ts";
import type { Contestant, Job, Peer } from "../peers/peer.ts";
import { forgetProfiles } from "../report/profile.ts";
import { TRIVIAL } from "../workloads/expressions.ts";
import { layJob } from "../workloads/job.ts";
import { startContestants } from "./contestants.ts";
import { joinMain, joinSlow } from "./links.ts";
import type { Shape, ShapedLink } from "./shaped-link.ts";

/** What hosts are made for. */
export interface Plan {
  readonly contestants: readonly Contestant[];
  /** Default: a veth pair. */
  readonly link?: Shape;
  /** A second client, over a link of its own. */
  readonly slowLink?: Shape;
  readonly profile: boolean;
  /** Options of Node for both of our programs. */
  readonly nodeOptions: readonly string[];
  /** Another program with our command line. */
  readonly seed?: string;
}

/** Two hosts: a builder with all who serve, and a client that can use each; sometimes a second client. */
export interface Setting {
  readonly builder: Host;
  readonly client: Host;
  readonly slow?: Host;
  /** The shaped link, if there is one. */
  readonly link?: ShapedLink;
  readonly ours: ReadonlyMap<Contestant, OurBuilder>;
  readonly installable: Installable;
  peer(who: Contestant): Peer;
  /** Ends all processes and removes all files. May be repeated. */
  stop(): Promise<void>;
}

/** Makes the hosts and starts what they need. Whoever makes them stops them. */
export async function makeSetting(plan: Plan): Promise<Setting> {
  const ends: (() => Promise<void>)[] = [];
  const stop = async () => void (await Promise.all(ends.map(end => end())));
  // As many derivations at once wherever they are built.
  const nixConf = { "max-jobs": String(availableParallelism()) };
  const make = async (name: string) => {
    const host = await makeHost(name, { ownNetwork: true, nixConf });
    ends.push(() => host.stop());
    return host;
  };
  try {
    const [builder, client] = await Promise.all([make("builder"), make("client")]);
    const { address, link } = await joinMain({ builder, client }, plan.link);
    if (link) ends.push(link.stop);
    const slow = plan.slowLink && (await make("slow"));
    if (slow && plan.slowLink) ends.push((await joinSlow(builder, slow, plan.slowLink)).stop);
    const installable = plan.contestants.includes("seed") ? asFlake : asFile;
    const hosts = { builder, client, ...(slow && { slow }) };
    const { peers, ours } = await startContestants(plan, hosts, address, installable);
    const peer = (who: Contestant) => {
      const found = peers.get(who);
      if (!found) throw new Error(`${who} does not take part`);
      return found;
    };
    // The first start of a program compiles it, and the first build of a builder finds nothing ready: neither is what people wait for.
    for (const who of ours.keys()) await peer(who).build(layJob(client, TRIVIAL));
    forgetProfiles(client);
    return { ...hosts, ...(link && { link }), ours, installable, peer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function asFile({ folder }: Job): string[] {
  return ["-f", `${folder}/job.nix`];
}

/** The other program takes flakes alone, and then all do. */
function asFlake({ folder }: Job): string[] {
  return [`path:${folder}`];
}
