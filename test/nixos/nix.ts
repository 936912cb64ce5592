import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../hosts/can.ts";

/** The folder `lib` of nixpkgs, if somebody named one. */
export const libFolder: string | undefined = process.env["NIXPKGS_LIB"] || undefined;

/** Why Nix expressions cannot be evaluated here, in words for a skipped test. */
export function whyNoEvaluation({ lib = true } = {}): string | undefined {
  if (findProgram("nix-instantiate") === undefined) return "needs the program nix-instantiate";
  if (!lib) return undefined;
  if (libFolder === undefined) return "needs the library of nixpkgs: NIXPKGS_LIB names its folder lib";
  return existsSync(join(libFolder, "default.nix")) ? undefined : `NIXPKGS_LIB=${libFolder} has no default.nix`;
}

/** Evaluates an expression to its value. Nothing is written into a store, and nothing of the machine's Nix is read. Throws what Nix says. */
export function evaluate(expression: string): unknown {
  const state = mkdtempSync(join(tmpdir(), "drv-thru-evaluate-"));
  try {
    const args = ["--store", "dummy://", "--eval", "--strict", "--json", "--expr", expression];
    const env = { PATH: process.env["PATH"], HOME: state, NIX_STATE_DIR: state, NIX_CONF_DIR: state, NIX_PATH: "" };
    const { status, stdout, stderr } = spawnSync("nix-instantiate", args, { env, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  } finally {
    rmSync(state, { recursive: true });
  }
}
