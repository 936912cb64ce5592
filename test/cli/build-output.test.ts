import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { showBuild } from "../../src/cli/build-output.ts";
import type { BuildRun } from "../../src/client/build-run.ts";
import type { BuildEvent } from "../../src/client/events.ts";
import { BuildFailure, type BuildReport } from "../../src/client/report.ts";
import { testIo } from "./io.ts";

const DRV = "/nix/store/11111111111111111111111111111111-app.drv";
const OUT = "/nix/store/22222222222222222222222222222222-app";
const REPORT: BuildReport = {
  outcome: "built",
  derivations: [{ drvPath: DRV, outputs: { out: OUT } }],
  endpointId: "ab".repeat(32),
  buildId: "cd".repeat(32),
  failed: [],
  message: "",
  refunded: false,
  evaluateMilliseconds: 1,
  uploadMilliseconds: 2000,
  queuedMilliseconds: 0,
  buildMilliseconds: 65_000,
  downloadMilliseconds: 1000,
  totalMilliseconds: 68_000,
  uploadedPaths: 3,
  uploadedBytes: 2048,
  downloadedPaths: 1,
  downloadedBytes: 1024,
};
const EVENTS: BuildEvent[] = [
  { kind: "opened", buildId: REPORT.buildId ?? "", attached: false },
  { kind: "missing", paths: 3, bytes: 2048, of: 5 },
  { kind: "upload", paths: 1, totalPaths: 3, bytes: 100, totalBytes: 2048, wireBytes: 50 },
  { kind: "upload", paths: 3, totalPaths: 3, bytes: 2048, totalBytes: 2048, wireBytes: 900 },
  { kind: "derivation-started", activity: 1, path: DRV, substituted: false },
  { kind: "progress", done: 0, expected: 1, running: 1, failed: 0 },
  { kind: "log", activity: 1, path: DRV, text: "compiling" },
  { kind: "progress", done: 1, expected: 1, running: 0, failed: 0 },
  { kind: "warning", text: "something to know" },
];
const OPTIONS = { quiet: false, verbose: false, nameDerivations: false, json: false };

function played(events: BuildEvent[], end: BuildReport | BuildFailure): BuildRun {
  const result = end instanceof BuildFailure ? Promise.reject(end) : Promise.resolve(end);
  result.catch(() => undefined);
  return {
    result,
    async *[Symbol.asyncIterator]() {
      yield* events;
      yield { kind: "summary", report: end instanceof BuildFailure ? end.report : end };
    },
  };
}

async function inFolder(work: (state: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-cli-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("without a terminal a build prints store paths on stdout, and a line per phase, log and summary on stderr", async () => {
  await inFolder(async state => {
    const world = testIo({ env: { XDG_STATE_HOME: state } });
    assert.equal(await showBuild(played(EVENTS, REPORT), world.io, OPTIONS), 0);
    assert.equal(world.stdout(), `${OUT}\n`);
    assert.deepEqual(world.stderr().trimEnd().split("\n"), [
      "the builder lacks 3 of 5 inputs (2.0 KiB)",
      "uploading inputs 1/3, 100 B of 2.0 KiB",
      "building app",
      "building 0/1",
      "compiling",
      "warning: something to know",
      "sent 3 inputs (2.0 KiB) in 2s, built in 1m05s, received 1 paths (1.0 KiB) in 1s, total 1m08s",
    ]);
    assert.deepEqual(await readdir(join(state, "drv-thru", "logs")), [], "a log of a build that worked is not kept");
  });
});

test("--quiet leaves warnings alone on stderr", async () => {
  await inFolder(async state => {
    const world = testIo({ env: { XDG_STATE_HOME: state } });
    await showBuild(played(EVENTS, REPORT), world.io, { ...OPTIONS, quiet: true });
    assert.equal(world.stderr(), "warning: something to know\n");
  });
});

test("-L names the derivation of a log line", async () => {
  await inFolder(async state => {
    const world = testIo({ env: { XDG_STATE_HOME: state } });
    await showBuild(played(EVENTS, REPORT), world.io, { ...OPTIONS, nameDerivations: true });
    assert.match(world.stderr(), /^app> compiling$/m);
  });
});

test("a failed build exits 100 with the derivation, the end of its log, and a file with the rest", async () => {
  await inFolder(async state => {
    const report: BuildReport = {
      ...REPORT,
      outcome: "failed",
      failed: [{ drvPath: DRV, outcome: "failed", message: "exit code 3", lastLines: ["compiling", "no such file"] }],
    };
    const world = testIo({ env: { XDG_STATE_HOME: state } });
    const failure = new BuildFailure("build-failed", "the builder", "1 derivation failed", report);
    assert.equal(await showBuild(played(EVENTS, failure), world.io, { ...OPTIONS, quiet: true }), 100);
    const log = join(state, "drv-thru", "logs", "cdcdcdcdcdcd.log");
    assert.match(
      world.stderr(),
      new RegExp(`error: 1 derivation failed[^]*failed: ${DRV}[^]*> no such file[^]*less ${log}`),
    );
    assert.equal(await readFile(log, "utf8"), "app> compiling\n");
    assert.equal(world.stdout(), "");
  });
});

test("on a terminal the phase is redrawn in one line, cut to the width, and gone at the end", async () => {
  await inFolder(async state => {
    const world = testIo({ env: { XDG_STATE_HOME: state }, terminal: true });
    const long: BuildEvent = { ...EVENTS[4], path: `/nix/store/${"1".repeat(32)}-${"x".repeat(60)}.drv` } as BuildEvent;
    await showBuild(played([...EVENTS, long], REPORT), world.io, OPTIONS);
    const drawn = world.stderr();
    assert.ok(drawn.includes("\r\x1b[K"));
    assert.ok(drawn.endsWith("\r\x1b[K"));
    assert.ok(drawn.includes(`building ${"x".repeat(29)}…`));
    for (const line of drawn.split(/[\n\r]/)) assert.ok(line.replace("\x1b[K", "").length <= 100);
  });
});

test("a log folder that cannot be written costs the copy of the log alone", async () => {
  const world = testIo({ env: { XDG_STATE_HOME: "/dev/null" } });
  assert.equal(await showBuild(played(EVENTS, REPORT), world.io, OPTIONS), 0);
});
