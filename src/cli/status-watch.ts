import { setTimeout as sleep } from "node:timers/promises";
import type { BuilderStatus } from "../client/builder.ts";
import type { Io } from "./io.ts";
import { fit } from "./progress/fit.ts";
import { statusText } from "./status-text.ts";

/** How often times are drawn anew, in milliseconds: twice a second, so that none of them seems to stand still or to jump. */
const TICK = 500;

/**
 * Draws each change in place, until there are no more; times tick between them. Nothing of the terminal is changed but what is drawn: however this
 * ends, there is nothing to restore.
 */
export async function redrawStatus(changes: AsyncIterable<BuilderStatus>, io: Io): Promise<void> {
  let drawn = 0;
  let last: { status: BuilderStatus; came: number } | undefined;
  const draw = () => {
    if (last === undefined) return;
    const now = new Date(last.status.at.getTime() + performance.now() - last.came);
    const lines = frame(statusText(last.status, now).split("\n"), io.answer.columns(), io.answer.rows());
    // One write, without clearing first: what stays the same does not flicker.
    const up = drawn === 0 ? "" : `\r\x1b[${drawn}A`;
    io.stdout.write(`${up}${lines.map(line => `${line}\x1b[K\n`).join("")}\x1b[J`);
    drawn = lines.length;
  };
  const over = new AbortController();
  const ticking = tick(draw, over.signal);
  try {
    for await (const status of changes) {
      last = { status, came: performance.now() };
      draw();
    }
  } finally {
    over.abort();
    await ticking;
  }
}

async function tick(draw: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(TICK, undefined, { signal }).catch(() => undefined); // only the end of the watch ends a sleep early
    if (!signal.aborted) draw();
  }
}

/** What fits: a line that wraps, or a frame that scrolls, could not be drawn over. */
function frame(lines: readonly string[], columns: number, rows: number): string[] {
  const most = Math.max(2, rows - 1);
  const cut = lines.length <= most ? lines : [...lines.slice(0, most - 1), `… ${lines.length - most + 1} lines more`];
  return cut.map(line => fit(line, columns));
}
