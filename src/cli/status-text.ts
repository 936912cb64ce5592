import type { BuilderStatus, BuildRecord, StatusTransfer } from "../client/builder.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";
import { formatColumns } from "./table.ts";

/** Digits of an id that people are shown: enough to tell builds apart. */
const SHORT_ID = 12;
/** Characters of an ended build's error. */
const MAX_ERROR = 512;

/** A builder's status for people, as it stands at this moment of the builder's clock. The first line names the builder. */
export function statusText(status: BuilderStatus, now: Date): string {
  const { active, queued, opened, downloads, recent } = status;
  const sections = [`builder ${status.endpointId}`, capacityLine(status), programLine(status)];
  if (status.activeCount + status.queuedCount + opened.length + downloads.length === 0) sections.push("idle");
  const uploads = new Map(status.uploads.map(transfer => [transfer.build, transfer]));
  section(sections, "Active", [...active.map(b => activeRow(b, now)), ...others(status.activeCount - active.length)]);
  section(sections, "Queue", [...queued.map(b => queuedRow(b, now)), ...others(status.queuedCount - queued.length)]);
  section(
    sections,
    "Sending inputs",
    opened.map(b => openedRow(b, uploads.get(b.id), now)),
  );
  section(sections, "Fetching outputs", downloads.map(downloadRow));
  section(
    sections,
    "Recent",
    recent.map(b => recentRow(b, now)),
    recent.map(errorLine),
  );
  return sections.join("\n");
}

/** Which program answers, and what carries its bytes. */
function programLine({ version, iroh }: BuilderStatus): string {
  return iroh === "" ? `drv-thru ${version}` : `drv-thru ${version}, ${iroh}`;
}

function capacityLine(status: BuilderStatus): string {
  const { activeCount, maxConcurrentBuilds, queuedCount, draining } = status;
  const stopping = draining ? ", stopping: takes no new builds" : "";
  return `${capacityBar(status)} active ${activeCount}/${maxConcurrentBuilds}, queued ${queuedCount}${stopping}`;
}

/** `[#..]`: one mark a slot; many slots share forty. */
function capacityBar(status: BuilderStatus): string {
  const width = Math.min(40, Math.max(1, status.maxConcurrentBuilds));
  const used = Math.min(width, Math.ceil((status.activeCount / Math.max(1, status.maxConcurrentBuilds)) * width));
  return `[${"#".repeat(used)}${".".repeat(width - used)}]`;
}

/** A title, aligned rows, and below a row what else there is to say of it. */
function section(
  into: string[],
  title: string,
  rows: readonly (readonly string[])[],
  below: readonly (string | undefined)[] = [],
): void {
  if (rows.length === 0) return;
  into.push("", `${title}:`);
  for (const [index, line] of formatColumns(rows, "  ").split("\n").entries()) {
    into.push(line);
    const more = below[index];
    if (more !== undefined) into.push(`    ${more}`);
  }
}

function others(count: number): string[][] {
  return count > 0 ? [[`and ${count} of others`]] : [];
}

function activeRow(build: BuildRecord, now: Date): string[] {
  const phase = build.rebuild ? "rebuilding" : "building";
  return [
    shortId(build.id),
    clientText(build.client),
    phase,
    since(build.startedAt ?? build.openedAt, now),
    build.installable,
  ];
}

function queuedRow(build: BuildRecord, now: Date): string[] {
  const waiting = `waiting ${since(build.queuedAt ?? build.openedAt, now)}`;
  return [
    `#${build.queuePosition ?? "?"}`,
    shortId(build.id),
    clientText(build.client),
    waiting,
    ...(build.rebuild ? ["rebuild"] : []),
    build.installable,
  ];
}

function openedRow(build: BuildRecord, upload: StatusTransfer | undefined, now: Date): string[] {
  const bytes = upload ? bytesOf(upload) : build.uploadedBytes > 0 ? formatBytes(build.uploadedBytes) : "preparing";
  return [shortId(build.id), clientText(build.client), bytes, since(build.openedAt, now), build.installable];
}

function downloadRow(transfer: StatusTransfer): string[] {
  return [shortId(transfer.build), clientText(transfer.client), bytesOf(transfer), transfer.installable];
}

function bytesOf({ bytes, totalBytes }: StatusTransfer): string {
  return totalBytes === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
}

function recentRow(build: BuildRecord, now: Date): string[] {
  return [
    shortId(build.id),
    clientText(build.client),
    resultText(build),
    formatDuration((build.result?.buildMilliseconds ?? 0) / 1000),
    `${formatBytes(build.uploadedBytes)} up`,
    `${formatBytes(build.downloadedBytes)} down`,
    build.finishedAt ? `${since(build.finishedAt, now)} ago` : "-",
    build.installable,
  ];
}

function resultText({ result, rebuild }: BuildRecord): string {
  if (result?.outcome === "built") return rebuild ? "rebuilt" : "built";
  return result?.outcome ?? "unknown";
}

/** Why a build was not built, in one line, unless that is only its result again. */
function errorLine({ result }: BuildRecord): string | undefined {
  if (result === undefined || result.outcome === "built") return undefined;
  if (result.message === "" || result.message === result.outcome) return undefined;
  const line = [...result.message.replace(/\s*\n\s*/g, " ")];
  return line.length > MAX_ERROR ? `${line.slice(0, MAX_ERROR - 1).join("")}…` : line.join("");
}

/** A client that has no name is its id, shortened as ids are. */
function clientText(client: string): string {
  return client.replace(/^(client:[0-9a-f]{12})[0-9a-f]{52}$/, "$1");
}

function shortId(id: string): string {
  return id.slice(0, SHORT_ID);
}

function since(then: Date, now: Date): string {
  return formatDuration((now.getTime() - then.getTime()) / 1000);
}
