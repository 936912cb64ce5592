import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { systemPath } from "../../test/hosts/can.ts";

/** On what it was measured, and how to do so again. */
export interface Machine {
  readonly date: string;
  readonly hardware: string;
  readonly versions: string;
  /** Programs that ran or waited to run, on average of the last minute before. */
  readonly load: number;
  readonly command: string;
}

/** This machine, now. */
export function thisMachine(args: readonly string[]): Machine {
  const cores = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    hardware: `${cores.length} cores (${cores[0]?.model ?? "unknown"}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory`,
    versions: [
      `Linux ${release()}`,
      firstLine("nix", "--version"),
      firstLine("ssh", "-V"),
      `Node ${process.version}`,
      `drv-thru ${ownVersion()}`,
    ].join("; "),
    load: loadavg()[0] ?? 0,
    command: ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" "),
  };
}

function firstLine(program: string, flag: string): string {
  try {
    const text = execFileSync("sh", ["-c", `${program} ${flag} 2>&1`], { env: { PATH: systemPath }, encoding: "utf8" });
    return text.split("\n", 1)[0] ?? "";
  } catch {
    return `no ${program}`;
  }
}

function ownVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
  );
  return version;
}
