import type { BuildSettings } from "../../nix/settings.ts";
import type { StoreBuildOptions } from "../../nix/store.ts";

/** As the machine's Nix is configured to build, and no derivation for longer than the whole build may take. */
export function buildOptions(building: BuildSettings, maxBuildSeconds: number | undefined): StoreBuildOptions {
  const { maxJobs, cores, maxSilentSeconds, timeoutSeconds } = building;
  const limits = [timeoutSeconds, maxBuildSeconds ?? 0].filter(limit => limit > 0);
  return {
    cores,
    maxSilentSeconds,
    ...(maxJobs !== undefined && { maxJobs }),
    ...(limits.length > 0 && { timeoutSeconds: Math.min(...limits) }),
  };
}
