import { existsSync, globSync, readFileSync, readlinkSync } from "node:fs";
import type { Host } from "./host.ts";

/** What to look for when a host is gone. */
export interface Trace {
  readonly folder: string;
  readonly pidNamespace: string;
}

/** How a host can be recognised. */
export async function traceOf(host: Host): Promise<Trace> {
  const { stdout } = await host.run(["readlink", "/proc/self/ns/pid"]);
  return { folder: host.outside("."), pidNamespace: stdout.trim() };
}

/** The processes, mounts and files that are left of a host. */
export function leftOf({ folder, pidNamespace }: Trace): string[] {
  const processes = globSync("/proc/[0-9]*").filter(process => namespaceOf(process) === pidNamespace);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [...processes, ...mounts.filter(line => line.includes(folder)), ...(existsSync(folder) ? [folder] : [])];
}

function namespaceOf(process: string): string | undefined {
  try {
    return readlinkSync(`${process}/ns/pid`);
  } catch {
    // Somebody else's process, or one that has just ended.
    return undefined;
  }
}
