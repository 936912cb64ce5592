import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const MODULE = join(import.meta.dirname, "../../src/cli/young-generation.ts");

/** Does what makes V8 let the space for new objects grow, with waits between, and prints how large that has become. */
const BUSY = `
import { getHeapSpaceStatistics } from "node:v8";
const { boundYoungGeneration } = await import(${JSON.stringify(MODULE)});
if (process.argv[1] === "bounded") boundYoungGeneration();
let largest = 0;
for (let round = 0; round < 60; round++) {
  const needed = [];
  for (let i = 0; i < 40_000; i++) needed.push({ i, text: String(i) });
  largest = Math.max(largest, getHeapSpaceStatistics().find(space => space.space_name === "new_space").space_size);
  await new Promise(resolve => setTimeout(resolve, 1));
}
process.stdout.write(String(largest / 2 ** 20));`;

test("the space for new objects stays below 32 MiB, where V8 takes that and more", async () => {
  const run = (how: string) => promisify(execFile)(process.execPath, ["--input-type=module", "-e", BUSY, how]);
  const [bounded, free] = await Promise.all(["bounded", "free"].map(async how => Number((await run(how)).stdout)));
  assert.ok(bounded !== undefined && bounded < 32, `${bounded} MiB`);
  assert.ok(free !== undefined && free >= 32, `${free} MiB`);
});
