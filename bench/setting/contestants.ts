import { existsSync } from "node:fs";
import { arch, availableParallelism } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../test/hosts/can.ts";
import type { Host } from "../../test/hosts/host.ts";
import { type Installable, localPeer, SSH_NAME, sshPeer, storePeer } from "../peers/nix.ts";
import { type Binding, type OurBuilder, ourPeer, startOurs } from "../peers/ours.ts";
import type { Contestant, Peer } from "../peers/peer.ts";
import { seedPeer, startSeed } from "../peers/seed.ts";
import { profileOptions } from "../report/profile.ts";
import { must } from "./must.ts";
import type { Plan } from "./setting.ts";
import { startSsh } from "./ssh.ts";

const ADDON = join(import.meta.dirname, "../../native/iroh.node");
const SYSTEM = `${arch() === "arm64" ? "aarch64" : "x86_64"}-linux`;
const SIGNER = "/etc/nix/bench-secret";

/** Why a contestant cannot take part here, or `undefined` if it can. */
export function whyNot(who: Contestant, seed: string | undefined): string | undefined {
  if (who === "native") return existsSync(ADDON) ? undefined : "the addon is not built (npm run build:native)";
  if (who === "ssh-ng" || who === "store") return findProgram("sshd") ? undefined : "there is no openssh-server";
  return who === "seed" && seed === undefined ? "its path was not given (--peer seed=PATH)" : undefined;
}

/** All who take part, with what runs for them. */
export interface Contestants {
  readonly peers: ReadonlyMap<Contestant, Peer>;
  readonly ours: ReadonlyMap<Contestant, OurBuilder>;
}

/** Starts what the contestants need on both hosts, and lets the client trust every builder's outputs. */
export async function startContestants(
  plan: Plan,
  hosts: { readonly builder: Host; readonly client: Host; readonly slow?: Host },
  address: string,
  installable: Installable,
): Promise<Contestants> {
  const { builder, client, slow } = hosts;
  const { contestants } = plan;
  const options = (host: Host) => [...plan.nodeOptions, ...(plan.profile ? profileOptions(host) : [])];
  const bindings = contestants.filter((who): who is Binding => who === "native" || who === "number0");
  const ssh = contestants.includes("ssh-ng") || contestants.includes("store");
  const keys: string[] = [];
  if (ssh) keys.push(await signEverything(builder));
  const ours = await Promise.all(bindings.map(binding => startOurs(builder, binding, options(builder))));
  const seed =
    plan.seed !== undefined && contestants.includes("seed")
      ? // A program that does not start is its own failure, and no other contestant's.
        await startSeed(builder, client, plan.seed).catch((error: Error) => error)
      : undefined;
  keys.push(
    ...ours.map(({ signingKey }) => signingKey),
    ...(seed && !(seed instanceof Error) ? [seed.signingKey] : []),
  );
  if (ssh) await startSsh(builder, client, address);
  const machine = `ssh-ng://${SSH_NAME} ${SYSTEM} /root/.ssh/id ${availableParallelism()} 1`;
  const trust = { "extra-trusted-public-keys": keys.join(" ") };
  await client.configure({ ...trust, ...(ssh ? { builders: machine } : {}) });
  await slow?.configure(trust);
  const peers = new Map<Contestant, Peer>([["local", localPeer(hosts, installable)]]);
  for (const one of ours) peers.set(one.binding, ourPeer(hosts, one, installable, options(client)));
  if (ssh) peers.set("ssh-ng", sshPeer(hosts, installable)).set("store", storePeer(hosts, installable));
  if (seed instanceof Error) peers.set("seed", { build: () => Promise.reject(seed) });
  else if (seed) peers.set("seed", seedPeer(hosts, seed, installable));
  return { peers, ours: new Map(ours.map(one => [one.binding, one])) };
}

/** `nix copy` brings an ordinary user only what is signed: so the builder's Nix signs what it builds, whoever asked. */
async function signEverything(builder: Host): Promise<string> {
  const made = ["nix-store", "--generate-binary-cache-key", "bench", SIGNER, `${SIGNER}.pub`];
  await must(builder, made, "root");
  await builder.configure({ "secret-key-files": SIGNER });
  return (await must(builder, ["cat", `${SIGNER}.pub`], "root")).trim();
}
