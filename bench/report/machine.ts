import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { systemPath } from "../../test/hosts/can.ts";

const ROOT = join(import.meta.dirname, "../..");
const COMMAND = join(ROOT, "dist/bin.js");

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
      firstLine("nix --version"),
      firstLine("ssh -V"),
      `Node ${process.version}`,
      `drv-thru ${ownVersion()} at ${firstLine(`git -C '${ROOT}' rev-parse --short HEAD`)}`,
      ...["native", "number0"].map(iroh =>
        lastLine(`DRV_THRU_IROH=${iroh} '${process.execPath}' '${COMMAND}' --version`),
      ),
    ].join("; "),
    load: loadavg()[0] ?? 0,
    command: ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" "),
  };
}

function firstLine(command: string): string {
  return linesOf(command)[0] ?? "";
}

function lastLine(command: string): string {
  return linesOf(command).at(-1) ?? "";
}

/** What a program says of itself, on either stream. */
function linesOf(command: string): string[] {
  const { stdout } = spawnSync("sh", ["-c", `${command} 2>&1`], { env: { PATH: systemPath }, encoding: "utf8" });
  return stdout.trim().split("\n");
}

function ownVersion(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  return version;
}
