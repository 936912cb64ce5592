import { spawnSync } from "node:child_process";
import { findProgram, ownUids, systemPath } from "./can.ts";
import type { Host } from "./host.ts";
import type { Hosts } from "./hosts.ts";

const device = "link0";
const addresses = { builder: "10.83.0.1", client: "10.83.0.2" };

/** Why two hosts cannot have a network of their own here, or `undefined` if they can. */
export function whyNoLink(): string | undefined {
  if (!ownUids) return "needs root, to join two networks";
  return findProgram("ip") ? undefined : "needs the program ip (Debian: iproute2)";
}

/** Joins two hosts that were made with `ownNetwork` by a link that only they have. */
export async function joinHosts({ builder, client }: Hosts): Promise<typeof addresses> {
  const peer = ["peer", "name", device, "netns", client.firstPid];
  outside(["ip", "link", "add", device, "netns", builder.firstPid, "type", "veth", ...peer]);
  for (const [host, address] of [
    [builder, addresses.builder],
    [client, addresses.client],
  ] as const) {
    await inside(host, ["ip", "addr", "add", `${address}/24`, "dev", device]);
    await inside(host, ["ip", "link", "set", "lo", "up"]);
    await setLink(host, "up");
  }
  return addresses;
}

/** Plugs a host's end of the link in, or pulls it. */
export async function setLink(host: Host, state: "up" | "down"): Promise<void> {
  await inside(host, ["ip", "link", "set", device, state]);
}

async function inside(host: Host, argv: readonly string[]): Promise<void> {
  const { status, stderr } = await host.run(argv, { user: "root" });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
}

function outside([command = "", ...args]: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { env: { PATH: systemPath }, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}
