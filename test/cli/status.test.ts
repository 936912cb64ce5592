import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { statusText } from "../../src/cli/status-text.ts";
import { redrawStatus } from "../../src/cli/status-watch.ts";
import type { BuilderStatus, BuildRecord } from "../../src/client/builder.ts";
import { testIo } from "./io.ts";

const AT = new Date("2026-01-02T03:00:00Z");
const ago = (seconds: number) => new Date(AT.getTime() - seconds * 1000);

function record(more: Partial<BuildRecord>): BuildRecord {
  return {
    id: "ab".repeat(32),
    state: "running",
    installable: ".#app",
    client: "ticket:friend",
    openedAt: ago(100),
    queuedAt: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    queuePosition: undefined,
    uploadedBytes: 0,
    downloadedBytes: 0,
    rebuild: false,
    maxBuildSeconds: undefined,
    maxUploadBytes: undefined,
    targets: [],
    result: undefined,
    ...more,
  };
}

function ended(outcome: "built" | "failed", message = "", more: Partial<BuildRecord> = {}): BuildRecord {
  const result = { outcome, message, reason: undefined, refunded: false, buildMilliseconds: 65_000 };
  const bytes = { uploadedBytes: 3 * 2 ** 20, downloadedBytes: 2048 };
  const rest = { ...bytes, finishedAt: ago(5), result: { ...result, queuedMilliseconds: 0 } };
  return record({ state: "finished", ...rest, ...more });
}

const program = "drv-thru 1.0.0, @number0/iroh 1.1.0";

function status(more: Partial<BuilderStatus>): BuilderStatus {
  return {
    endpointId: "cd".repeat(32),
    version: "1.0.0",
    iroh: "@number0/iroh 1.1.0",
    at: AT,
    startedAt: ago(1000),
    draining: false,
    maxConcurrentBuilds: 3,
    recentBuildsLimit: 20,
    activeCount: 0,
    queuedCount: 0,
    connectedClients: 0,
    active: [],
    queued: [],
    opened: [],
    uploads: [],
    downloads: [],
    recent: [],
    ...more,
  };
}

test("the status of an idle builder is its endpoint id, its capacity, its program, and that it is idle", () => {
  assert.equal(statusText(status({}), AT), `builder ${"cd".repeat(32)}\n[...] active 0/3, queued 0\n${program}\nidle`);
});

test("the status tells active, waiting, sending, fetching and recent builds in aligned rows", () => {
  const id = (letter: string) => letter.repeat(64);
  const text = statusText(
    status({
      activeCount: 2,
      queuedCount: 1,
      active: [
        record({ id: id("1"), startedAt: ago(65) }),
        record({ id: id("2"), startedAt: ago(3900), rebuild: true, client: "client:alex" }),
      ],
      queued: [record({ id: id("3"), queuedAt: ago(59), queuePosition: 1, client: `client:${id("f")}` })],
      opened: [record({ id: id("4"), openedAt: ago(7) }), record({ id: id("5"), openedAt: ago(8) })],
      uploads: [
        { build: id("4"), installable: ".#app", client: "ticket:friend", streams: 1, bytes: 1024, totalBytes: 4096 },
      ],
      downloads: [
        {
          build: id("6"),
          installable: ".#app",
          client: "ticket:friend",
          streams: 1,
          bytes: 2048,
          totalBytes: undefined,
        },
      ],
      recent: [ended("built", "", { id: id("7") }), ended("built", "", { id: id("8"), rebuild: true })],
    }),
    AT,
  );
  assert.deepEqual(text.split("\n").slice(1), [
    "[##.] active 2/3, queued 1",
    program,
    "",
    "Active:",
    "  111111111111  ticket:friend  building    1m05s  .#app",
    "  222222222222  client:alex    rebuilding  1h05m  .#app",
    "",
    "Queue:",
    "  #1  333333333333  client:ffffffffffff  waiting 59s  .#app",
    "",
    "Sending inputs:",
    "  444444444444  ticket:friend  1.0 KiB of 4.0 KiB  7s  .#app",
    "  555555555555  ticket:friend  preparing           8s  .#app",
    "",
    "Fetching outputs:",
    "  666666666666  ticket:friend  2.0 KiB  .#app",
    "",
    "Recent:",
    "  777777777777  ticket:friend  built    1m05s  3.0 MiB up  2.0 KiB down  5s ago  .#app",
    "  888888888888  ticket:friend  rebuilt  1m05s  3.0 MiB up  2.0 KiB down  5s ago  .#app",
  ]);
});

test("an error of a recent build is one line of at most 512 characters", () => {
  const lines = statusText(status({ recent: [ended("failed", `first\n  ${"x".repeat(600)}`)] }), AT).split("\n");
  const error = (lines.at(-1) ?? "").trim();
  assert.match(error, /^first x+…$/);
  assert.equal([...error].length, 512);
  assert.equal(statusText(status({ recent: [ended("failed", "y".repeat(512))] }), AT).endsWith("y".repeat(512)), true);
});

test("builds of others are counted, not named", () => {
  const text = statusText(status({ activeCount: 2, queuedCount: 3, active: [record({ startedAt: AT })] }), AT);
  assert.match(text, /Active:\n {2}abababababab .*\n {2}and 1 of others\n\nQueue:\n {2}and 3 of others$/);
});

test("on a terminal a change is drawn over what was there, within its width and height", async () => {
  const world = testIo({ terminal: true, rows: 8 });
  const recent = Array.from({ length: 10 }, () => ended("built", "", { installable: "x".repeat(200) }));
  await redrawStatus(only(status({}), status({ recent })), world.io);
  const [first, second = ""] = world.stdout().split("\r\x1b[4A");
  assert.equal(first?.split("\n").length, 5, "four lines, and the cursor below them");
  const lines = second.replace("\x1b[J", "").split("\n").slice(0, -1);
  assert.equal(lines.length, 7);
  assert.match(lines.at(-1) ?? "", /^… 10 lines more/);
  for (const line of lines) assert.ok([...line.replace("\x1b[K", "")].length < 40, line);
});

test("on a terminal elapsed and waiting times tick without a change", async () => {
  const world = testIo({ terminal: true, columns: 100 });
  const end = Promise.withResolvers<void>();
  const building = status({
    activeCount: 1,
    active: [record({ startedAt: ago(3) })],
    queuedCount: 1,
    queued: [record({ queuedAt: ago(7) })],
  });
  const watching = redrawStatus(
    (async function* () {
      yield building;
      await end.promise;
    })(),
    world.io,
  );
  while (!/building {2}(?!3s)[\s\S]*waiting (?!7s)/.test(world.stdout())) await sleep(50);
  end.resolve();
  await watching;
});

async function* only(...items: BuilderStatus[]) {
  yield* items;
}
