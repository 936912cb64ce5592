import { randomBytes } from "node:crypto";
import { chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../test/hosts/host.ts";
import type { Contestant, Job, Measured } from "../peers/peer.ts";
import { must } from "../setting/must.ts";
import type { Setting } from "../setting/setting.ts";

/** Where the source of a workload is on a host, if it has one. */
export const sourceOf = (host: Host) => `/home/${host.user}/source`;

/** A text that no store has seen. */
export function newSalt(): string {
  return randomBytes(8).toString("hex");
}

/** Lays a Nix file for a salt on a host. */
export function layJob(host: Host, text: string, salt = newSalt()): Job {
  const folder = `/home/${host.user}/jobs/${salt}`;
  const outside = host.outside(folder);
  mkdirSync(outside, { recursive: true });
  writeFileSync(join(outside, "job.nix"), text);
  const flake = "{ outputs = _: { packages.$" + "{builtins.currentSystem}.default = import ./job.nix; }; }\n";
  writeFileSync(join(outside, "flake.nix"), flake);
  const { uid, gid } = statSync(host.outside(`/home/${host.user}`));
  for (const path of [host.outside(`/home/${host.user}/jobs`), outside]) chownSync(path, uid, gid);
  return { folder, env: { SALT: salt, SRC: sourceOf(host) } };
}

/** A run that builds an expression once. */
export function once(text: (mib: number) => string) {
  return async (setting: Setting, who: Contestant, mib: number): Promise<Measured> =>
    await setting.peer(who).build(layJob(setting.client, text(mib)));
}

/** Builds a job on its own host, by that host's Nix and not measured. */
export async function buildThere(host: Host, job: Job, setting: Setting): Promise<void> {
  const { status, stderr } = await host.run(
    ["nix", "build", ...setting.installable(job), "--impure", "--no-link", "--builders", ""],
    { env: job.env },
  );
  if (status !== 0) throw new Error(`nix build failed on ${host.user}:\n${stderr.slice(-4000)}`);
}

/** Removes what no host needs any more: the disk need not hold the paths of all runs at once. */
export async function collectGarbage({ client, builder }: Setting): Promise<void> {
  for (const host of [client, builder]) await must(host, ["nix-store", "--gc", "--quiet"], "root");
}

/** Whoever of ours takes part: for what is to be there before the measured run. */
export function anyOfOurs(setting: Setting) {
  const [first] = setting.ours.keys();
  if (first === undefined) throw new Error("this workload needs drv-thru itself");
  return setting.peer(first);
}

/** Several runs as one: times add up, peaks do not. */
export function inAll(runs: readonly Measured[]): Measured {
  const sum = (pick: (run: Measured) => number) => runs.reduce((total, run) => total + pick(run), 0);
  const needed = (which: "client" | "builder") => {
    if (!runs.every(run => run[which])) return {};
    const mib = Math.max(...runs.map(run => run[which]?.mib ?? 0));
    return { [which]: { mib, cpuSeconds: sum(run => run[which]?.cpuSeconds ?? 0) } };
  };
  return {
    seconds: sum(run => run.seconds),
    cpuSeconds: sum(run => run.cpuSeconds),
    wireMib: sum(run => run.wireMib),
    ...needed("client"),
    ...needed("builder"),
  };
}
