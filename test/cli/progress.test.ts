import assert from "node:assert/strict";
import { test } from "node:test";
import { heightOf, widthOf } from "../../src/cli/io.ts";
import { ProgressModel } from "../../src/cli/progress/model.ts";
import type { BuildEvent } from "../../src/client/events.ts";

const MIB = 2 ** 20;

/** What is drawn after these events, each at its second. */
function drawn(events: readonly (readonly [second: number, event: BuildEvent])[], second: number, most = 10): string[] {
  const model = new ProgressModel();
  for (const [at, event] of events) model.take(event, at * 1000);
  return model.lines(second * 1000, most);
}

function transfer(kind: "upload" | "download", paths: number, bytes: number): BuildEvent {
  return { kind, paths, totalPaths: 40, bytes, totalBytes: 100 * MIB, wireBytes: bytes / 2 };
}

function begun(activity: number, name: string, substituted = false): BuildEvent {
  return { kind: "derivation-started", activity, path: `/nix/store/${"1".repeat(32)}-${name}.drv`, substituted };
}

test("an upload is drawn with paths, bytes of NAR, the rate of the last seconds and the time that is left", () => {
  const events = [
    [0, transfer("upload", 0, 0)],
    [10, transfer("upload", 10, 40 * MIB)],
    [12, transfer("upload", 12, 60 * MIB)],
  ] as const;
  assert.deepEqual(drawn(events, 12), ["uploading inputs 12/40, 60.0 MiB of 100.0 MiB, 10.0 MiB/s, 4s left"]);
});

test("a rate falls while nothing moves, and a time that nobody knows is not told", () => {
  const events = [
    [0, transfer("upload", 0, 0)],
    [1, transfer("upload", 1, 10 * MIB)],
  ] as const;
  assert.match(drawn(events, 4)[0] ?? "", /, 2\.5 MiB\/s, 36s left$/);
  assert.match(drawn(events, 60)[0] ?? "", /10\.0 MiB of 100\.0 MiB, 0 B\/s$/);
});

test("a build that waits shows its place and for how long, also when it moves up", () => {
  const events = [
    [0, { kind: "queued", position: 3 }],
    [50, { kind: "queued", position: 2 }],
  ] as const;
  assert.deepEqual(drawn(events, 65), ["waiting for a slot, place 2, 1m05s"]);
});

test("a build shows its counts, and each running derivation with its phase and elapsed time", () => {
  const events = [
    [0, { kind: "started" }],
    [0, { kind: "progress", done: 3, expected: 12, running: 2, failed: 1 }],
    [1, begun(1, "glibc")],
    [2, { kind: "derivation-phase", activity: 1, path: "", phase: "buildPhase" }],
    [5, begun(2, "source-code", true)],
    [6, begun(3, "gone")],
    [7, { kind: "derivation-finished", activity: 3, path: "" }],
  ] as const;
  assert.deepEqual(drawn(events, 66), [
    "building 3/12, 2 running, 1 failed, 1m06s",
    "  1m05s  glibc        buildPhase",
    "  1m01s  source-code  fetching",
  ]);
});

test("more derivations than there is room for are counted", () => {
  const many = Array.from({ length: 30 }, (_, n) => [0, begun(n, `drv-${n}`)] as const);
  const lines = drawn([[0, { kind: "started" }], ...many], 1, 4);
  assert.deepEqual([lines.length, lines.at(-1)], [4, "  and 28 more"]);
  assert.deepEqual(drawn([[0, { kind: "started" }], ...many], 1, 1).length, 1);
});

test("a download while the build goes on has a line of its own, and is gone when it has come", () => {
  const events: [number, BuildEvent][] = [
    [0, { kind: "started" }],
    [0, transfer("download", 10, MIB)],
  ];
  assert.match(drawn(events, 0)[1] ?? "", /^downloading outputs 10\/40, 1\.0 MiB of 100\.0 MiB/);
  assert.deepEqual(drawn([...events, [1, transfer("download", 40, 100 * MIB)]], 1), ["building, 1s"]);
});

test("the width is the terminal's own, then COLUMNS, then 72; the height likewise", () => {
  assert.equal(widthOf({ columns: 30 }, { COLUMNS: "50" }), 30);
  assert.equal(widthOf({}, { COLUMNS: "50" }), 50);
  for (const wrong of [undefined, "", "-3", "wide", "0"]) {
    assert.equal(widthOf({ columns: 0 }, { ...(wrong !== undefined && { COLUMNS: wrong }) }), 72);
  }
  assert.deepEqual([heightOf({ rows: 9 }, {}), heightOf({}, { LINES: "40" }), heightOf({}, {})], [9, 40, 24]);
});
