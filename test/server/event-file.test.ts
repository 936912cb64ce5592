import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { BuildEvent } from "../../gen/drvthru/v1/build_pb.js";
import { EventFile } from "../../src/server/build/event-file.ts";

function eventPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-events-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "events");
}

function open(path: string, maxBytes = 1 << 20, gatherTime = 0): Promise<EventFile> {
  return EventFile.open(path, { maxBytes, gatherTime, onError: error => assert.fail(String(error)) });
}

async function all(file: EventFile): Promise<BuildEvent[]> {
  const events: BuildEvent[] = [];
  for await (const batch of file.watch(0n, 10_000, AbortSignal.timeout(10_000))) events.push(...batch);
  return events;
}

const line = (text: string) => ({ case: "logLine" as const, value: { activity: 0n, text } });

test("events of ten thousand lines come back in order, without a gap, in bounded batches", async t => {
  const file = await open(eventPath(t), 100 << 20);
  for (let n = 0; n < 10_000; n++) file.append(line(`line ${n}`));
  file.append({ case: "result", value: {} });
  let seq = 0n;
  for await (const batch of file.watch(0n, 10_000, AbortSignal.timeout(30_000))) {
    assert.ok(batch.length <= 512);
    for (const event of batch) assert.equal(event.seq, ++seq);
  }
  assert.equal(seq, 10_001n);
  await file.close();
});

test("a result that a full disk keeps out of the file is told all the same, and written once there is room", async t => {
  const path = eventPath(t);
  const errors: unknown[] = [];
  const file = await EventFile.open(path, { maxBytes: 1 << 20, gatherTime: 0, onError: error => errors.push(error) });
  file.append(line("whole"));
  await file.flushed();
  const probe = await openFile(path);
  const handles = Object.getPrototypeOf(probe);
  await probe.close();
  const full = t.mock.method(handles, "write", async () => {
    throw Object.assign(new Error("no room"), { code: "ENOSPC" });
  });
  file.append(line("lost"));
  await file.flushed();
  file.append({ case: "result", value: {} });
  const cases = ["logLine", "logLine", "result"];
  assert.deepEqual(
    (await all(file)).map(event => event.event.case),
    cases,
  );
  assert.equal(errors.length, 2);
  full.mock.restore();
  await file.close();
  const again = await open(path);
  assert.equal(again.ended, true);
  assert.deepEqual(
    (await all(again)).map(event => event.seq),
    [1n, 2n, 3n],
  );
  await again.close();
});

const LONG = 3_600_000;

test("the first line is told at once, and those that follow with the next output that is ready", async t => {
  const file = await open(eventPath(t), 1 << 20, LONG);
  const batches = file.watch(0n, 10_000, AbortSignal.timeout(10_000));
  const next = async () => ((await batches.next()).value as BuildEvent[]).map(event => event.event.case);
  file.append(line("first"));
  assert.deepEqual(await next(), ["logLine"]);
  for (let n = 0; n < 100; n++) {
    file.append(line(`line ${n}`));
    await setImmediate();
  }
  file.append({ case: "outputReady", value: { drvPath: "", name: "out", path: "" } });
  assert.deepEqual(await next(), [...Array(100).fill("logLine"), "outputReady"]);
  file.append({ case: "result", value: {} });
  assert.deepEqual(await next(), ["result"]);
  await file.close();
});

test("lines that wait for others are told once they are many, and when the file is closed", async t => {
  const path = eventPath(t);
  const file = await open(path, 100 << 20, LONG);
  file.append(line("first"));
  await file.flushed();
  const many = line("x".repeat(1024));
  const watched = (async () => {
    let count = 0;
    for await (const batch of file.watch(1n, 10_000, AbortSignal.timeout(10_000))) {
      count += batch.length;
      if (count >= 256) return count;
    }
    return count;
  })();
  for (let n = 0; n < 256; n++) file.append(many);
  assert.equal(await watched, 256);
  file.append(line("last"));
  await file.close();
  const again = await open(path);
  again.append({ case: "result", value: {} });
  assert.equal((await all(again)).length, 259);
  await again.close();
});

test("nothing comes after the result", async t => {
  const file = await open(eventPath(t));
  file.append({ case: "result", value: {} });
  file.append(line("late"));
  assert.equal((await all(file)).length, 1);
  await file.close();
});

test("a record that a crash cut off is not read, and its number is given again", async t => {
  const path = eventPath(t);
  const before = await open(path);
  before.append(line("whole"));
  await before.close();
  appendFileSync(path, Buffer.from([200, 0, 0, 0, 1, 2, 3]));
  const after = await open(path);
  after.append({ case: "result", value: {} });
  assert.deepEqual(
    (await all(after)).map(event => event.seq),
    [1n, 2n],
  );
  await after.close();
});

test("a line longer than 64 KiB is cut", async t => {
  const file = await open(eventPath(t));
  file.append(line("ä".repeat(100_000)));
  file.append({ case: "result", value: {} });
  const [first] = await all(file);
  assert.equal(first?.event.case === "logLine" && Buffer.byteLength(first.event.value.text), 64 * 1024);
  await file.close();
});
