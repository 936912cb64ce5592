import type { BuildSettings } from "../nix/settings.ts";
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
}

/** Asks this machine's Nix, its program and its daemon. Throws a `Failure` that says which does not answer. */
export async function askMachine(openStore: OpenStore): Promise<Machine> {
  const settings = await readNixSettings();
  const store = await openStore();
  store.close();
  return {
    version: store.nixVersion,
    // "builtin" derivations, such as fetchurl, are built everywhere.
    systems: [...new Set([settings.system, ...settings.extraPlatforms, "builtin"])].filter(system => system !== ""),
    features: settings.systemFeatures,
    trustedKeys: settings.trustedPublicKeys,
    building: settings.building,
  };
}
