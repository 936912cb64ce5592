import { setTimeout as sleep } from "node:timers/promises";

/** Long enough for a busy machine, and below every test's own limit. In milliseconds. */
const PATIENCE_MS = 60_000;

/** Waits until something holds that others do in their own time. Gives up after a minute, with its words. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`this never came: ${what}`);
    await sleep(20);
  }
}
