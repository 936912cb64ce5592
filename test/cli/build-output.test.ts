import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { showBuild } from "../../src/cli/build-output.ts";
import type { BuildRun } from "../../src/client/build-run.ts";
import type { BuildEvent } from "../../src/client/events.ts";
import { BuildFailure, type BuildReport } from "../../src/client/report.ts";
import { testIo } from "./io.ts";
import { DRV, OUT, REPORT as SHORT } from "./report.ts";

const REPORT: BuildReport = {
  ...SHORT,
  uploadMilliseconds: 2000,
  buildMilliseconds: 65_000,
  downloadMilliseconds: 1000,
  totalMilliseconds: 68_000,
  inputPaths: 5,
  uploadedPaths: 3,
  uploadedBytes: 2048,
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
const OPTIONS = { quiet: false, verbose: false, nameDerivations: false, json: false, nom: false };

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
      ".#app built on abababababab",
      "  sent      3 of 5 inputs       2.0 KiB  2s",
      "  waited                                 0s",
      "  built                                  1m05s",
      "  received  1 path of 1 output  1.0 KiB  1s",
      "  total                                  1m08s",
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

test("on a terminal what goes on is drawn below the lines that stay, cut to the width, and gone at the end", async () => {
  await inFolder(async state => {
    const world = testIo({ env: { XDG_STATE_HOME: state }, terminal: true });
    const path = `/nix/store/${"1".repeat(32)}-${"x".repeat(60)}.drv`;
    const long: BuildEvent = { kind: "derivation-started", activity: 2, path, substituted: false };
    const building: BuildEvent[] = [{ kind: "started" }, ...EVENTS.slice(4), long];
    const run = played(building, REPORT);
    const slow: BuildRun = {
      result: run.result,
      async *[Symbol.asyncIterator]() {
        for await (const event of run) {
          if (event.kind === "summary") while (!world.stderr().includes("xxx…")) await sleep(10);
          yield event;
        }
      },
    };
    await showBuild(slow, world.io, OPTIONS);
    const drawn = world.stderr();
    assert.match(drawn, /compiling\n(.*\n)*building 1\/1, 2 running, 0s\n/);
    const end = drawn.slice(drawn.lastIndexOf("\x1b[J"));
    assert.match(end, /^\x1b\[J\.#app built on .*\n( .*\n){5}$/, "only lines that stay are left");
    const inPlace = drawn.split(/[\n\r]/).filter(line => line.includes("xx") || line.includes("building 1/1"));
    for (const line of inPlace) assert.ok([...line.replace(/\r?(\x1b\[\d*[AJ])+/g, "")].length < 40, line);
  });
});

test("colours are never sent, so NO_COLOR changes nothing; escapes only move within the terminal's last lines", async () => {
  await inFolder(async state => {
    for (const env of [{}, { NO_COLOR: "1" }]) {
      const world = testIo({ env: { ...env, XDG_STATE_HOME: state }, terminal: true });
      await showBuild(played(EVENTS, REPORT), world.io, OPTIONS);
      assert.doesNotMatch(world.stderr(), /\x1b\[[\d;]*m/);
    }
    const plain = testIo({ env: { XDG_STATE_HOME: state } });
    await showBuild(played(EVENTS, REPORT), plain.io, OPTIONS);
    assert.doesNotMatch(plain.stderr(), /\x1b/);
  });
});

test("the summary also follows a build that failed, before the error", async () => {
  await inFolder(async state => {
    const report: BuildReport = { ...REPORT, outcome: "failed", installable: "--expr …" };
    const world = testIo({ env: { XDG_STATE_HOME: state } });
    await showBuild(played(EVENTS, new BuildFailure("build-failed", "nix", "it broke", report)), world.io, OPTIONS);
    assert.match(world.stderr(), /\napp failed on abababababab\n( .*\n){5}error: it broke\n/);
  });
});

test("the log is kept below the home where XDG_STATE_HOME is no absolute path, and nowhere without a home", async () => {
  await inFolder(async home => {
    const failure = new BuildFailure("build-failed", "nix", "it broke", { ...REPORT, outcome: "failed" });
    const shown = async (env: Record<string, string>) => {
      const world = testIo({ env });
      assert.equal(await showBuild(played(EVENTS, failure), world.io, OPTIONS), 100);
      return world.stderr();
    };
    const told = await shown({ HOME: home, XDG_STATE_HOME: "relative" });
    assert.ok(told.includes(`less ${join(home, ".local/state/drv-thru/logs")}/`), told);
    assert.doesNotMatch(await shown({}), /the whole log/);
  });
});

test("a log folder that cannot be written costs the copy of the log alone", async () => {
  const world = testIo({ env: { XDG_STATE_HOME: "/dev/null" } });
  assert.equal(await showBuild(played(EVENTS, REPORT), world.io, OPTIONS), 0);
});
