import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "../../test/hosts/host.ts";
import { must } from "../setting/must.ts";
import type { Installable } from "./nix.ts";
import type { Peer } from "./peer.ts";
import { type Pair, timed } from "./timed.ts";

const PROGRAM = "/var/lib/seed";
const DATA = "/home/builder/seed-data";
const KEY = `${DATA}/signing-public.key`;
/** Seconds within which it has to serve. */
const PATIENCE = 30;

/** A running builder of another program with the same command line. */
export interface Seed {
  readonly ticket: string;
  readonly signingKey: string;
}

/** Copies the program to both hosts, starts `serve` with a configuration and makes a ticket. It must find its libraries on this machine, outside `/nix`. */
export async function startSeed(builder: Host, client: Host, program: string): Promise<Seed> {
  for (const host of [builder, client]) {
    copyFileSync(program, host.outside(PROGRAM));
    chmodSync(host.outside(PROGRAM), 0o755);
  }
  const config = "/var/lib/seed.json";
  writeFileSync(builder.outside(config), JSON.stringify({ data_dir: DATA }));
  const serve = builder.spawn([PROGRAM, "serve", "--config", config]);
  for (let waited = 0; !existsSync(builder.outside(KEY)); waited += 0.1) {
    if (waited > PATIENCE) throw new Error(`${program} serve made no ${KEY}:\n${serve.written("stderr")}`);
    await sleep(100);
  }
  const signingKey = readFileSync(builder.outside(KEY), "utf8").trim();
  return { ticket: await makeTicket(builder), signingKey };
}

/** Its keys are there before it listens. */
async function makeTicket(builder: Host): Promise<string> {
  const command = ["env", `DRV_THRU_DATA_DIR=${DATA}`, PROGRAM, "ticket", "create", "--unlimited"];
  for (let left = PATIENCE; ; left -= 0.5) {
    try {
      return (await must(builder, [...command, "--max-upload-bytes", "100G"])).trim();
    } catch (error) {
      if (left <= 0) throw error;
      await sleep(500);
    }
  }
}

/** The other program. */
export function seedPeer(hosts: Pair, seed: Seed, installable: Installable): Peer {
  return {
    build: job =>
      timed(hosts, [PROGRAM, "build", ...installable(job), "--impure", "--no-nom", "--ticket", seed.ticket], job.env),
  };
}
