import type { BuildFailure, BuildOutcome, BuildReport } from "../../client/report.ts";
import { formatBytes, formatDuration } from "../../lib/units.ts";
import { formatColumns } from "../table.ts";
import { nameOf } from "./lines.ts";

/** Digits of a builder's id that people are shown. */
const SHORT_ID = 12;

/** What a build cost, also one that failed. `builder`: as the person calls it, if it has a name. */
export function summaryLines(report: BuildReport, builder?: string): string[] {
  const seconds = (milliseconds: number) => formatDuration(milliseconds / 1000);
  const outputs = report.derivations.reduce((sum, { outputs }) => sum + Object.keys(outputs).length, 0);
  const { inputPaths, uploadedPaths, uploadedBytes, downloadedPaths, downloadedBytes } = report;
  const rows = [
    [
      "sent",
      `${uploadedPaths} of ${plural(inputPaths, "input")}`,
      formatBytes(uploadedBytes),
      seconds(report.uploadMilliseconds),
    ],
    ["waited", "", "", seconds(report.queuedMilliseconds)],
    ["built", "", "", seconds(report.buildMilliseconds)],
    [
      "received",
      `${plural(downloadedPaths, "path")} of ${plural(outputs, "output")}`,
      formatBytes(downloadedBytes),
      seconds(report.downloadMilliseconds),
    ],
    ["total", "", "", seconds(report.totalMilliseconds)],
  ];
  const where = builder ?? report.endpointId?.slice(0, SHORT_ID) ?? "this machine";
  return [`${subject(report)} ${OUTCOMES[report.outcome]} on ${where}`, ...formatColumns(rows, "  ").split("\n")];
}

/** What was asked for; of an expression or a file the names of the derivations say more. */
function subject({ installable, derivations }: BuildReport): string {
  const names = derivations.map(({ drvPath }) => nameOf(drvPath)).join(" ");
  return installable === "" || /^(--expr|-f) /.test(installable) ? names : installable;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const OUTCOMES: Readonly<Record<BuildOutcome, string>> = {
  built: "built",
  failed: "failed",
  "timed-out": "timed out",
  "hash-mismatch": "had a hash mismatch",
  "not-deterministic": "was not deterministic",
  cancelled: "was cancelled",
  "builder-failed": "was broken off by the builder",
};

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
