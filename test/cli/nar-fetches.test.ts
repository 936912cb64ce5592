import assert from "node:assert/strict";
import { test } from "node:test";
import { run as runLine } from "../../src/cli/main.ts";
import { testIo } from "./io.ts";

async function run(argv: readonly string[], env: Record<string, string>) {
  const { io, stderr } = testIo({ env });
  const status = await runLine(["build", "--expr", "1", "--server", "ab".repeat(32), ...argv], io);
  return { status, stderr: stderr() };
}

for (const value of ["0", "many", "-1", "1.5", "65"]) {
  test(`DRV_THRU_NAR_FETCHES=${value} is wrong usage`, async () => {
    const { status, stderr } = await run([], { DRV_THRU_NAR_FETCHES: value });
    assert.equal(status, 2);
    assert.match(stderr, /DRV_THRU_NAR_FETCHES .* is not a number from 1 to 64/);
  });
}

test("--nar-fetches wins over DRV_THRU_NAR_FETCHES", async () => {
  const right = await run(["--nar-fetches", "8"], { DRV_THRU_NAR_FETCHES: "0" });
  assert.doesNotMatch(right.stderr, /nar-fetches/);
  const wrong = await run(["--nar-fetches", "0"], { DRV_THRU_NAR_FETCHES: "8" });
  assert.match(wrong.stderr, /--nar-fetches "0" is not a number from 1 to 64/);
});
