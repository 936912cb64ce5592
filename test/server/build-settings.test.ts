import assert from "node:assert/strict";
import { test } from "node:test";
import { derivation } from "../fakes/make-path.ts";
import { begin, outcomeOf } from "./calls.ts";
import { world } from "./world.ts";

const configured = { maxJobs: 0, cores: 3, maxSilentSeconds: 60, timeoutSeconds: 0 };

test("a build runs with the jobs, cores and silence that the builder's Nix is configured with", async t => {
  const builder = await world(t, { building: configured });
  const guest = await builder.anyone();
  assert.equal(await outcomeOf(guest, await begin(guest, [derivation({ name: "app" })])), "BUILT");
  const [{ maxJobs, cores, maxSilentSeconds } = {}] = builder.nix.builtWith;
  assert.deepEqual({ maxJobs, cores, maxSilentSeconds }, { maxJobs: 0, cores: 3, maxSilentSeconds: 60 });
});

test("of the ticket's time and the time that the builder's Nix gives a derivation the shorter counts", async t => {
  for (const [timeoutSeconds, expected] of [
    [0, 600],
    [60, 60],
    [6000, 600],
  ] as const) {
    const builder = await world(t, { building: { timeoutSeconds } });
    const guest = builder.guest(await builder.ticket({ maxBuildSeconds: 600 }));
    await outcomeOf(guest, await begin(guest, [derivation({ name: "app" })]));
    assert.equal(builder.nix.builtWith[0]?.timeoutSeconds, expected);
  }
});
