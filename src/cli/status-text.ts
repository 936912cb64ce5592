import type { BuilderStatus, BuildRecord } from "../client/builder.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";
import { formatColumns } from "./table.ts";
import { timeText } from "./ticket-text.ts";

/** A builder's status for people. The first line names it. */
export function statusText(status: BuilderStatus, now: Date): string {
  const sections = [
    `builder ${status.endpointId}`,
    `${capacityBar(status)} active ${status.activeCount}/${status.maxConcurrentBuilds}, queued ${status.queuedCount}${status.draining ? ", stopping: takes no new builds" : ""}`,
  ];
  if (status.activeCount + status.queuedCount + status.opened.length === 0) sections.push("idle");
  section(sections, "Building", status.active, b => activeRow(b, now));
  section(sections, "Waiting", status.queued, b => queuedRow(b, now));
  section(sections, "Sending inputs", status.opened, b => openedRow(b, now));
  section(sections, "Recent", status.recent, recentRow);
  return sections.join("\n");
}

/** `[#..]`: one mark a slot; many slots share forty. */
function capacityBar(status: BuilderStatus): string {
  const width = Math.min(40, Math.max(1, status.maxConcurrentBuilds));
  const used = Math.min(width, Math.ceil((status.activeCount / Math.max(1, status.maxConcurrentBuilds)) * width));
  return `[${"#".repeat(used)}${".".repeat(width - used)}]`;
}

function section(
  into: string[],
  title: string,
  builds: readonly BuildRecord[],
  row: (build: BuildRecord) => readonly string[],
): void {
  if (builds.length > 0) into.push("", `${title}:`, formatColumns(builds.map(row), "  "));
}

function activeRow(build: BuildRecord, now: Date): string[] {
  const phase = build.rebuild ? "rebuilding" : "building";
  return [shortId(build), build.client, phase, since(build.startedAt ?? build.openedAt, now), build.installable];
}

function queuedRow(build: BuildRecord, now: Date): string[] {
  return [
    `#${build.queuePosition ?? "?"}`,
    shortId(build),
    build.client,
    `waiting ${since(build.queuedAt ?? build.openedAt, now)}`,
    build.installable,
  ];
}

function openedRow(build: BuildRecord, now: Date): string[] {
  return [
    shortId(build),
    build.client,
    formatBytes(build.uploadedBytes),
    since(build.openedAt, now),
    build.installable,
  ];
}

function recentRow(build: BuildRecord): string[] {
  const seconds = (build.result?.buildMilliseconds ?? 0) / 1000;
  return [
    shortId(build),
    build.client,
    build.result?.outcome ?? "unknown",
    formatDuration(seconds),
    `${formatBytes(build.uploadedBytes)} up`,
    `${formatBytes(build.downloadedBytes)} down`,
    build.finishedAt ? timeText(build.finishedAt) : "-",
    build.installable,
  ];
}

function shortId(build: BuildRecord): string {
  return build.id.slice(0, 12);
}

function since(then: Date, now: Date): string {
  return formatDuration((now.getTime() - then.getTime()) / 1000);
}
