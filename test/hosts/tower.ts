import { chownSync, copyFileSync, cpSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { busybox } from "./can.ts";
import type { Host } from "./host.ts";

const example = join(import.meta.dirname, "../../examples/hello-tower");

/** The tools that a sandboxed build finds: names under which busybox is called. */
const tools = ["sh", "cat", "chmod", "cp", "dd", "echo", "ln", "ls", "mkdir", "printf", "sleep", "touch", "wc"];

/** Puts the example into the home of a host's user, with tools for sandboxed builds where they are wanted. Gives its folder there. */
export async function bringTower(host: Host, withTools: boolean): Promise<string> {
  const inside = `/home/${host.user}/hello-tower`;
  const folder = host.outside(inside);
  cpSync(example, folder, { recursive: true });
  if (withTools) bringTools(join(folder, "bin"));
  const { uid, gid } = statSync(host.outside(`/home/${host.user}`));
  chownSync(folder, uid, gid);
  return inside;
}

/** A folder with the static busybox and links to it: what a sandboxed build brings along as its shell and tools. */
export function bringTools(folder: string): void {
  const file = busybox();
  if (!file) throw new Error("there is no static busybox on this machine");
  mkdirSync(folder);
  copyFileSync(file, join(folder, "busybox"));
  for (const tool of tools) symlinkSync("busybox", join(folder, tool));
}
