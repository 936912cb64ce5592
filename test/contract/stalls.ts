import { setTimeout as sleep } from "node:timers/promises";

/** Waits until a number has stopped changing for a while, or has reached `most`. Never judges how long that took. */
export async function whenStill(
  read: () => number | Promise<number>,
  most = Number.POSITIVE_INFINITY,
): Promise<number> {
  let last = await read();
  for (let still = 0; still < 5 && last < most; ) {
    await sleep(60);
    const now = await read();
    still = now === last ? still + 1 : 0;
    last = now;
  }
  return last;
}
