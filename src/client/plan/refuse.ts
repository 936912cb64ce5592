import { Failure } from "../../lib/failure.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Principal } from "../builder.ts";
import type { DerivationSummary } from "./derivations.ts";

/** Refuses inputs that no builder could take: built already, not named by their content, and signed by nobody. */
export function refuseUnprovenInputs(closure: readonly PathInfo[]): void {
  const bad = closure.find(info => info.ca === undefined && info.signatures.length === 0);
  if (bad === undefined) return;
  throw new Failure(
    "failed",
    "this machine",
    `the input ${bad.path} was built here and is not signed, so no builder can take it`,
    {
      reason: "input-unproven",
      fix: `let it be built with the rest (refer to its derivation, not to its store path), or sign it with a key that the builder trusts:\n  nix store sign --key-file SECRET-KEY ${bad.path}`,
    },
  );
}

/**
 * Refuses derivations that the builder can neither build nor fetch. Those that it may substitute are left to it, unless they are what was asked for.
 */
export function refuseForeignSystems(
  derivations: Iterable<DerivationSummary>,
  targets: ReadonlySet<StorePath>,
  builder: Pick<Principal, "systems" | "features">,
): void {
  // A builder that cannot tell finds out for itself.
  if (builder.systems.length === 0) return;
  const systems = new Set([...builder.systems, "builtin"]);
  const features = new Set(builder.features);
  for (const item of derivations) {
    if (!targets.has(item.drv) && item.substitutable) continue;
    if (!systems.has(item.system)) throw lacks(item.drv, `the system ${item.system}`, builder.systems);
    for (const feature of item.features) {
      if (!features.has(feature)) throw lacks(item.drv, `the feature ${feature}`, builder.features);
    }
  }
}

function lacks(drv: StorePath, what: string, has: readonly string[]): Failure {
  return new Failure(
    "failed",
    "the builder",
    `${drv} needs ${what}, which the builder lacks (it has ${has.join(", ") || "none"})`,
    {
      reason: "cannot-build-here",
      fix: "use a builder that has it",
    },
  );
}
