// Computes nix/npm-hashes.json anew from the lock file: `npm run nix:hashes`. Needs npm's registry, and nix for the hash of a folder.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchPackages, type Lock, packagesFor, SYSTEMS, type System } from "../nix/npm-tree.ts";

const root = join(import.meta.dirname, "..");
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
const work = mkdtempSync(join(tmpdir(), "drv-thru-nix-hashes-"));

/** The hash of a system's packages, or those whose binary for it the lock file lacks: without these it would not run there. */
function entryFor(system: System): { hash: string } | { lacking: string } {
  const { folders, lacking } = packagesFor(lock, system);
  if (lacking.length > 0) return { lacking: lacking.join(", ") };
  const out = join(work, system);
  fetchPackages(root, lock, folders, out);
  const words = ["--extra-experimental-features", "nix-command", "hash", "path", out];
  return { hash: execFileSync("nix", words, { encoding: "utf8" }).trim() };
}

try {
  const entries = SYSTEMS.map(system => [system, entryFor(system)] as const);
  writeFileSync(join(root, "nix/npm-hashes.json"), `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`);
  for (const [system, entry] of entries) console.error(`${system}: ${JSON.stringify(entry)}`);
} finally {
  rmSync(work, { recursive: true });
}
