import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { growingPercent } from "../../src/cli/full-collections.ts";

const MODULE = join(import.meta.dirname, "../../src/cli/full-collections.ts");
const MIB = 1024 * 1024;

test("a small heap may grow by 40 MiB before a full collection; one that V8 gives as much room is left to it", () => {
  assert.equal(growingPercent(20 * MIB), 200);
  assert.equal(growingPercent(40 * MIB), 100);
  const last = Math.floor((40 * MIB) / 0.3);
  assert.equal(growingPercent(last), 30);
  assert.equal(growingPercent(last + 1), 0);
  assert.equal(growingPercent(1024 * MIB), 0);
});

test("V8 takes the setting while it runs", async () => {
  const script = `import { spaceFullCollections } from ${JSON.stringify(MODULE)}; spaceFullCollections(); console.log("set");`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  assert.deepEqual({ stdout, stderr }, { stdout: "set\n", stderr: "" });
});
