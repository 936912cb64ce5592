import { Failure } from "../../lib/failure.ts";
import type { DerivedPath } from "../store.ts";
import { parseStorePath } from "../store-path.ts";

/** A target as it travels: `/nix/store/x.drv!dev,out`, outputs sorted as Nix sorts them. Refuses what could crash a daemon. */
export function derivedPath({ drv, outputs }: DerivedPath): string {
  const named = outputs.length > 0 && outputs.every(output => /^[0-9A-Za-z+\-._?=]{1,211}$/.test(output));
  if (!parseStorePath(drv)?.endsWith(".drv") || !named) {
    throw new Failure("failed", "this machine", `not outputs of a derivation: ${JSON.stringify({ drv, outputs })}`);
  }
  return `${drv}!${[...new Set(outputs)].sort().join(",")}`;
}
