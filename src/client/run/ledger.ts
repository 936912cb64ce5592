import type { BuildReport, FailedDerivation } from "../report.ts";
import type { BuildEnd } from "./build-end.ts";

/** Times and counts of a build as they come in. */
export interface Ledger {
  /** Runs a part of the work and adds its time. */
  time<T>(part: "evaluate" | "upload" | "download", work: () => Promise<T>): Promise<T>;
  uploaded(paths: number, bytes: number): void;
  downloaded(paths: number, bytes: number): void;
  /** The report as it stands; `end` is missing if the builder was not needed or never said. */
  report(
    facts: Pick<BuildReport, "installable" | "derivations" | "endpointId" | "buildId" | "inputPaths">,
    end?: ReportedEnd,
  ): BuildReport;
}

/** How the build ended, with the failed derivations' logs. */
export interface ReportedEnd extends BuildEnd {
  readonly failed: readonly FailedDerivation[];
}

/** Makes a {@link Ledger}; the clock runs from now. */
export function createLedger(): Ledger {
  const begun = performance.now();
  const times = { evaluate: 0, upload: 0, download: 0 };
  const counts = { uploadedPaths: 0, uploadedBytes: 0, downloadedPaths: 0, downloadedBytes: 0 };
  return {
    time: async (part, work) => {
      const from = performance.now();
      try {
        return await work();
      } finally {
        times[part] += performance.now() - from;
      }
    },
    uploaded: (paths, bytes) => {
      counts.uploadedPaths += paths;
      counts.uploadedBytes += bytes;
    },
    downloaded: (paths, bytes) => {
      counts.downloadedPaths += paths;
      counts.downloadedBytes += bytes;
    },
    report: (facts, end) => ({
      ...facts,
      ...counts,
      outcome: end?.outcome ?? "built",
      failed: end?.failed ?? [],
      message: end?.message ?? "",
      refunded: end?.refunded ?? false,
      evaluateMilliseconds: Math.round(times.evaluate),
      uploadMilliseconds: Math.round(times.upload),
      queuedMilliseconds: end?.queuedMilliseconds ?? 0,
      buildMilliseconds: end?.buildMilliseconds ?? 0,
      downloadMilliseconds: Math.round(times.download),
      totalMilliseconds: Math.round(performance.now() - begun),
    }),
  };
}
