import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Failure } from "../lib/failure.ts";

/** How a process ends that has read a damaged file. */
const CRASHES: ReadonlySet<unknown> = new Set(["SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE"]);
/** Longest time for reading it all, in milliseconds. */
const LONGEST = 60_000;

/** Reads a whole database in a process of its own, which a damaged one may kill. Throws a {@link Failure} that names the file if it did, or if what is in it makes no sense. */
export async function probeDatabase(folder: string): Promise<void> {
  const file = join(folder, "data.mdb");
  // An empty one is what a full disk leaves of a first start: lmdb begins anew.
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) return;
  const child = fileURLToPath(new URL(`probe-child${extname(import.meta.filename)}`, import.meta.url));
  const reading = spawn(process.execPath, [child, folder], {
    stdio: ["ignore", "pipe", "ignore"],
    timeout: LONGEST,
    killSignal: "SIGKILL",
  });
  const [said, [code, signal]] = await Promise.all([text(reading.stdout), once(reading, "close")]);
  if (code === 0) return;
  if (code === null && !CRASHES.has(signal)) {
    throw new Failure("failed", "this machine", `the builder's state ${file} could not be checked: ${signal}`);
  }
  const why = said || `reading it ends with ${signal ?? `exit code ${code}`}`;
  throw new Failure("failed", "this machine", `the builder's state ${file} is damaged: ${why}`, {
    fix: [
      `put a copy of ${folder} back, or begin anew without its tickets and builds (keys and signatures stay):`,
      `mv ${folder} ${join(dirname(folder), "state.damaged")}`,
    ].join("\n"),
  });
}
