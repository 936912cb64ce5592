import type { BuildEvent } from "../../client/events.ts";
import { formatDuration } from "../../lib/units.ts";
import { formatColumns } from "../table.ts";
import { nameOf } from "./lines.ts";
import { TransferLine } from "./rate.ts";

interface Running {
  readonly name: string;
  readonly substituted: boolean;
  readonly since: number;
  phase: string;
}

/** More at once than any builder runs. */
const MAX_RUNNING = 4_096;

/** What goes on in a build at this moment, as lines to draw. Times are milliseconds of one clock. */
export class ProgressModel {
  readonly #upload = new TransferLine("uploading inputs");
  readonly #download = new TransferLine("downloading outputs");
  readonly #running = new Map<number, Running>();
  #stage: { readonly text: string; readonly since: number } | undefined;
  #counts: { done: number; expected: number; failed: number } | undefined;
  #building = false;
  #uploading = false;

  /** Takes in what happened. */
  take(event: BuildEvent, now: number): void {
    switch (event.kind) {
      case "connecting":
        this.#begin(event.attempt === 1 ? "connecting" : `connecting, attempt ${event.attempt}`, now);
        break;
      case "connected":
      case "missing":
        this.#begin("preparing", now);
        break;
      case "upload":
        this.#upload.take(event, now);
        this.#uploading = true;
        break;
      case "queued":
        this.#begin(`waiting for a slot, place ${event.position}`, now, this.#waitingSince() ?? now);
        break;
      case "started":
        this.#begin("building", now);
        this.#building = true;
        break;
      case "ended":
        this.#begin("finishing", now);
        break;
      case "download":
        this.#download.take(event, now);
        break;
      case "progress":
        this.#counts = event;
        break;
      default:
        this.#takeActivity(event, now);
    }
  }

  #takeActivity(event: BuildEvent, now: number): void {
    if (event.kind === "derivation-started" && this.#running.size < MAX_RUNNING) {
      const { path, substituted } = event;
      this.#running.set(event.activity, { name: nameOf(path), substituted, since: now, phase: "" });
    }
    const running = event.kind === "derivation-phase" ? this.#running.get(event.activity) : undefined;
    if (running && event.kind === "derivation-phase") running.phase = event.phase;
    if (event.kind === "derivation-finished") this.#running.delete(event.activity);
  }

  #begin(text: string, now: number, since = now): void {
    this.#stage = { text, since };
    this.#uploading = false;
    this.#building = false;
    this.#running.clear();
  }

  /** A build that moves up in the queue goes on waiting. */
  #waitingSince(): number | undefined {
    return this.#stage?.text.startsWith("waiting") ? this.#stage.since : undefined;
  }

  /** At most so many lines: what goes on, and below it the derivations that have run longest. */
  lines(now: number, most: number): string[] {
    const lines = this.#head(now);
    const room = Math.max(0, most - lines.length);
    const running = [...this.#running.values()];
    const shown = running.slice(0, running.length > room ? room - 1 : room);
    const rows = shown.map(item => runningRow(item, now));
    if (rows.length > 0) lines.push(...formatColumns(rows, "  ").split("\n"));
    if (running.length > shown.length && room > 0) lines.push(`  and ${running.length - shown.length} more`);
    return lines.slice(0, most);
  }

  #head(now: number): string[] {
    const lines: string[] = [];
    if (this.#uploading) lines.push(this.#upload.text(now));
    else if (this.#building) lines.push(this.#buildLine(now));
    else if (this.#stage) lines.push(`${this.#stage.text}, ${since(this.#stage.since, now)}`);
    if (this.#download.goesOn) lines.push(this.#download.text(now));
    return lines;
  }

  /** `building 3/12, 2 running, 1 failed, 1m05s`. */
  #buildLine(now: number): string {
    const { done, expected, failed } = this.#counts ?? { done: 0, expected: 0, failed: 0 };
    const parts = [expected > 0 ? `building ${done}/${expected}` : "building"];
    if (this.#running.size > 0) parts.push(`${this.#running.size} running`);
    if (failed > 0) parts.push(`${failed} failed`);
    parts.push(since(this.#stage?.since ?? now, now));
    return parts.join(", ");
  }
}

/** The time in front: a long name may be cut. */
function runningRow({ name, phase, substituted, since: from }: Running, now: number): string[] {
  return [since(from, now), name, substituted ? "fetching" : phase];
}

function since(from: number, now: number): string {
  return formatDuration((now - from) / 1000);
}
