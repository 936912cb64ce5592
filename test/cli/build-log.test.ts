import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BuildLog } from "../../src/cli/progress/build-log.ts";

const buildId = "ab".repeat(32);

test("a log is kept if there is anything in it", async () => {
  const state = await mkdtemp(join(tmpdir(), "drv-thru-log-"));
  try {
    const log = new BuildLog({ XDG_STATE_HOME: state });
    await log.take({ kind: "opened", buildId, attached: false });
    await log.take({ kind: "log", activity: 0, path: "", text: "words" });
    assert.equal(await readFile((await log.keep()) ?? "", "utf8"), "words\n");
    const silent = new BuildLog({ XDG_STATE_HOME: join(state, "silent") });
    await silent.take({ kind: "opened", buildId, attached: false });
    assert.equal(await silent.keep(), undefined);
    assert.deepEqual(await readdir(join(state, "silent/drv-thru/logs")), []);
  } finally {
    await rm(state, { recursive: true });
  }
});

test("where no log can be written the build goes on without", async () => {
  const log = new BuildLog({ XDG_STATE_HOME: "/dev/null" });
  await log.take({ kind: "opened", buildId, attached: false });
  await log.take({ kind: "log", activity: 0, path: "", text: "words" });
  assert.equal(await log.keep(), undefined);
  assert.ok(!existsSync("/dev/null/drv-thru"));
});
