import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { evaluateAhead } from "../../src/client/plan/ahead.ts";
import { runNix } from "../../src/client/plan/nix-process.ts";

test("nothing is evaluated ahead in a store that is not made yet: two that open it at once would be in each other's way", async t => {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-ahead-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }));
  const request = { expr: "throw null", store: folder, cwd: folder };
  assert.equal(evaluateAhead(request).run, runNix);
  await mkdir(join(folder, "nix/var/nix/db"), { recursive: true });
  await writeFile(join(folder, "nix/var/nix/db/schema"), "10");
  const ahead = evaluateAhead(request);
  t.after(ahead.stop);
  assert.notEqual(ahead.run, runNix);
});
