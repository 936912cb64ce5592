import { readFileSync } from "node:fs";
import { parseMachines } from "../nix/machines.ts";
import type { BuildSettings, SandboxUse } from "../nix/settings.ts";
import type { PublicKey } from "../nix/signing-key.ts";
import type { OpenStore } from "../nix/store.ts";
import { readNixSettings } from "./nix-settings.ts";

/** What the builder's Nix is, asked once at the start. */
export interface Machine {
  /** Nix's version, or empty if its daemon does not say. */
  readonly version: string;
  readonly systems: readonly string[];
  readonly features: readonly string[];
  /** Keys whose signatures it believes. */
  readonly trustedKeys: readonly PublicKey[];
  readonly building: BuildSettings;
  readonly sandbox: SandboxUse;
}

/** Asks this machine's Nix, its program and its daemon. Throws a `Failure` that says which does not answer. */
export async function askMachine(openStore: OpenStore): Promise<Machine> {
  const settings = await readNixSettings();
  const store = await openStore();
  store.close();
  const machines = parseMachines(settings.builders, settings.system, readMachines);
  return {
    version: store.nixVersion,
    // "builtin" derivations, such as fetchurl, are built everywhere.
    systems: distinct([settings.system, ...settings.extraPlatforms, "builtin", ...machines.systems]),
    features: distinct([...settings.systemFeatures, ...machines.features]),
    trustedKeys: settings.trustedPublicKeys,
    building: settings.building,
    sandbox: settings.sandbox,
  };
}

function distinct(words: readonly string[]): string[] {
  return [...new Set(words)].filter(word => word !== "");
}

/** A file of machines; none where it cannot be read, as for Nix. */
function readMachines(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // most machines have none
  }
}

/** What the owner should know of how builds are shut in here, or `undefined`. A build outside of a sandbox reads all of the store: also what other guests have sent. */
export function sandboxWarning({ sandbox }: Pick<Machine, "sandbox">): string | undefined {
  if (sandbox === "all") return undefined;
  const what =
    sandbox === "not-all" ? "does not sandbox every build" : "builds without a sandbox where the kernel allows none";
  return `this machine's Nix ${what}: a guest's build could read the whole store; set sandbox = true and sandbox-fallback = false in nix.conf`;
}
