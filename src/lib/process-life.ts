import { readFileSync } from "node:fs";

/** A process, told apart from a later one with the same number. */
export interface Holder {
  readonly pid: number;
  /** When it started, in the kernel's own words; empty where the system does not say. */
  readonly started: string;
}

/** This process. */
export function thisProcess(): Holder {
  return { pid: process.pid, started: startOf(process.pid) ?? "" };
}

/** Whether that process still runs. One that was killed but not yet collected by its parent does not. */
export function isRunning(holder: Holder): boolean {
  if (!signalReaches(holder.pid)) return false;
  const started = startOf(holder.pid);
  return started === undefined || started === holder.started;
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Boot and start time of a process, "" for one that has ended, `undefined` where /proc does not tell. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold blanks and parentheses: fields are counted from the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return "";
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()} ${fields[19]}`;
  } catch {
    return undefined; // no /proc here, or not for us: the signal's answer stands
  }
}
