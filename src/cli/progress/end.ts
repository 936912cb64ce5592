import type { BuildFailure, BuildReport } from "../../client/report.ts";
import { formatBytes, formatDuration } from "../../lib/units.ts";

/** What a build cost, in one line. */
export function summaryLines(report: BuildReport): string[] {
  const seconds = (milliseconds: number) => formatDuration(milliseconds / 1000);
  const parts = [
    `sent ${report.uploadedPaths} inputs (${formatBytes(report.uploadedBytes)}) in ${seconds(report.uploadMilliseconds)}`,
    ...(report.queuedMilliseconds >= 1000 ? [`waited ${seconds(report.queuedMilliseconds)}`] : []),
    `built in ${seconds(report.buildMilliseconds)}`,
    `received ${report.downloadedPaths} paths (${formatBytes(report.downloadedBytes)}) in ${seconds(report.downloadMilliseconds)}`,
    `total ${seconds(report.totalMilliseconds)}`,
  ];
  return [parts.join(", ")];
}

/** Why a build failed: the derivations, the ends of their logs, and where the rest is. */
export function failureLines(error: BuildFailure, logFile: string | undefined): string[] {
  const lines = [`error: ${error.message}`];
  for (const failed of error.report.failed) {
    lines.push("", `${failed.outcome}: ${failed.drvPath}`);
    if (failed.message) lines.push(...failed.message.split("\n").map(text => `  ${text}`));
    if (failed.lastLines.length > 0)
      lines.push("  last lines of its log:", ...failed.lastLines.map(text => `  > ${text}`));
  }
  if (logFile !== undefined) lines.push("", "the whole log:", `  less ${logFile}`);
  if (error.fix) lines.push("", error.fix);
  return lines;
}
