import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { systemPath } from "../../test/hosts/can.ts";
import type { Host } from "../../test/hosts/host.ts";
import { start } from "../../test/hosts/process.ts";
import { must } from "./must.ts";

/** How fast a link is, and how far the other end. */
export interface Shape {
  readonly mbit: number;
  readonly roundTripMs: number;
}

/** One end of a link: a host with a network of its own, and its address there. */
export interface LinkEnd {
  readonly host: Host;
  readonly address: string;
}

/** A link whose rate and delay are those of a network further away. */
export interface ShapedLink {
  delay(roundTripMs: number): void;
  stop(): Promise<void>;
}

const script = join(import.meta.dirname, "shape.pl");
let made = 0;

/** Joins two hosts by a shaped link, named `device` on both. */
export async function shapedLink(device: string, ends: readonly [LinkEnd, LinkEnd], shape: Shape): Promise<ShapedLink> {
  const names = ends.map((_, n) => `bench${process.pid}${"ab"[n]}${made}`);
  made += 1;
  const running = start(["perl", script, ...names, String(shape.mbit), String(shape.roundTripMs)], {
    PATH: systemPath,
  });
  await running.until(/ready/);
  for (const [n, { host, address }] of ends.entries()) {
    const to = ["ip", "link", "set", names[n] ?? "", "netns", host.firstPid, "name", device];
    const { status, stderr } = spawnSync("ip", to.slice(1), { env: { PATH: systemPath }, encoding: "utf8" });
    if (status !== 0) throw new Error(`${to.join(" ")}: ${stderr}`);
    await must(host, ["ip", "addr", "add", address, "peer", ends[1 - n]?.address ?? "", "dev", device], "root");
    for (const name of ["lo", device]) await must(host, ["ip", "link", "set", "dev", name, "up"], "root");
  }
  return {
    delay: roundTripMs => void running.stdin.write(`delay ${roundTripMs}\n`),
    stop: async () => {
      running.stdin.end();
      await running.ended;
    },
  };
}
