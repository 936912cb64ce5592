import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Host } from "../../test/hosts/host.ts";

/** CPU seconds of all processes of a host, and of those that have ended and were waited for by one that runs. */
export function hostCpu(host: Host): number {
  const own = namespaceOf(host.firstPid);
  const pids = readdirSync("/proc").filter(name => /^\d+$/.test(name) && namespaceOf(name) === own);
  return pids.reduce((sum, pid) => sum + cpuOf(pid), 0);
}

function namespaceOf(pid: string): string | undefined {
  return unlessGone(() => readlinkSync(`/proc/${pid}/ns/pid`));
}

function cpuOf(pid: string): number {
  return unlessGone(() => cpuSecondsIn(readFileSync(`/proc/${pid}/stat`, "utf8"), 4)) ?? 0;
}

/** Of what the kernel says of a process: user and system time, the 12th and 13th field after its name, in hundredths; with 4 also its children's. */
export function cpuSecondsIn(stat: string, fields: 2 | 4): number {
  // The name may hold anything.
  const values = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return values.slice(11, 11 + fields).reduce((sum, value) => sum + Number(value), 0) / 100;
}

/** Processes end while one reads of them, and the kernel's own have no namespace to read. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH", "EACCES"].includes(String(error.code))) {
      return undefined;
    }
    throw error;
  }
}
