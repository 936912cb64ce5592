import type { TransferProgress } from "../../client/events.ts";
import { formatBytes, formatDuration } from "../../lib/units.ts";

/** How far back a rate looks, in milliseconds: long enough to be calm, short enough to notice a stall. */
const WINDOW = 5_000;
/** A rate over less than this says nothing. */
const LEAST = 500;

/** A transfer as it is drawn: paths, bytes, rate and the time that is left. Times are milliseconds of one clock. */
export class TransferLine {
  readonly #verb: string;
  #last: TransferProgress | undefined;
  #points: { readonly at: number; readonly bytes: number }[] = [];

  /** `verb`: what goes on, such as `uploading inputs`. */
  constructor(verb: string) {
    this.#verb = verb;
  }

  /** It has come so far. */
  take(progress: TransferProgress, now: number): void {
    // A new connection begins to count anew.
    if (progress.bytes < (this.#last?.bytes ?? 0)) this.#points = [];
    this.#last = progress;
    this.#points.push({ at: now, bytes: progress.bytes });
    while (this.#points.length > 2 && now - (this.#points[1]?.at ?? now) > WINDOW) this.#points.shift();
  }

  /** Whether something of it is still to come. */
  get goesOn(): boolean {
    return this.#last !== undefined && this.#last.paths < this.#last.totalPaths;
  }

  /** `uploading inputs 12/40, 1.2 MiB of 3.0 GiB, 12.3 MiB/s, 2m05s left`. */
  text(now: number): string {
    if (this.#last === undefined) return this.#verb;
    const { paths, totalPaths, bytes, totalBytes } = this.#last;
    const parts = [`${this.#verb} ${paths}/${totalPaths}`, `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`];
    const rate = this.#rate(now);
    if (rate !== undefined) parts.push(`${formatBytes(Math.round(rate))}/s`);
    if (rate !== undefined && rate >= 1 && totalBytes > bytes) {
      parts.push(`${formatDuration((totalBytes - bytes) / rate)} left`);
    }
    return parts.join(", ");
  }

  /** Bytes a second: up to this moment, so that a stall shows. */
  #rate(now: number): number | undefined {
    const first = this.#points.find(point => now - point.at <= WINDOW) ?? this.#points.at(-1);
    const last = this.#points.at(-1);
    if (first === undefined || last === undefined || now - first.at < LEAST) return undefined;
    return ((last.bytes - first.bytes) * 1000) / (now - first.at);
  }
}
