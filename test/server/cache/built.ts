import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { StorePath } from "../../../src/nix/store-path.ts";
import { derivation } from "../../fakes/make-path.ts";
import { begin, outcomeOf } from "../calls.ts";
import { type World, type WorldOptions, world } from "../world.ts";

/** A builder, and a guest's build on it that is done; each word of `contents` is an output's content. */
export async function built(t: Parameters<typeof world>[0], contents: readonly string[], options: WorldOptions = {}) {
  const builder = await world(t, options);
  const guest = await builder.anyone();
  const drvs = contents.map((content, n) => {
    const drv = derivation({ name: `made-${n}` });
    builder.nix.script(drv.info.path, async ({ produce }) => {
      produce("out", content);
      return undefined;
    });
    return drv;
  });
  const buildId = await begin(guest, drvs);
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  const outs = drvs.map(drv => drv.outputs["out"] as StorePath);
  return { builder, guest, buildId, outs, drvs };
}

/** How many NARs were read from Nix. */
export function readsOf({ nix }: World): number {
  return nix.asked.filter(what => what === "nars").length;
}

/** Waits until the cache has put so many entries on disk. */
export async function entriesOf({ folder }: World, count: number): Promise<string[]> {
  for (;;) {
    const names = (await readdir(join(folder, "cache"))).filter(name => name.endsWith(".narinfo"));
    if (names.length === count) return names;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** A text that needs a file of its own while it is compressed. */
export const large = (times = 1) => randomBytes(times * 700_000).toString("hex");
