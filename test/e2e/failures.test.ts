import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

test("a build that fails is exit code 100: which derivation, its last words, and how to see the rest", {
  skip,
}, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const { status, stdout, stderr } = await stage.build(ticket, 'step "doomed" "echo last words; exit 3" { }');
  assert.deepEqual({ status, stdout }, { status: 100, stdout: "" }, stderr);
  const report = stderr.slice(stderr.lastIndexOf("\nerror: "));
  assert.match(
    report,
    /\nfailed: \/nix\/store\/\S+-doomed\.drv\n(.*\n)? {2}last lines of its log:\n {2}> last words\n/,
  );
  const [, log = ""] = /\nthe whole log:\n {2}less (\S+)\n$/.exec(report) ?? [];
  assert.match(readFileSync(stage.client.outside(log), "utf8"), /last words/);
  assert.equal((await stage.record(ticket)).status, "exhausted", "a derivation that fails has spent its use");
});

test("where a dependency fails, that one is named, with its last words, not what needed it", { skip }, async () => {
  const stage = current();
  const dependency = `step "at-fault" "echo its last words; exit 3" { }`;
  const expression = `let fault = ${dependency}; in step "in-need" "cat \${fault} > $out" { }`;
  const { status, stderr } = await stage.build(await stage.ticket(), expression);
  assert.equal(status, 100, stderr);
  const report = stderr.slice(stderr.lastIndexOf("\nerror: builder for") + 1);
  assert.match(report, /^error: builder for '\S*-at-fault\.drv' failed with exit code 3\n/);
  assert.match(report, /\nfailed: \S*-at-fault\.drv\n.*\n {2}last lines of its log:\n {2}> its last words\n/);
  assert.doesNotMatch(report, /in-need/);
  const [, log = ""] = /the whole log:\n {2}less (\S+)/.exec(report) ?? [];
  assert.match(readFileSync(stage.client.outside(log), "utf8"), /its last words/);
});

test("a build that takes too long is exit code 101", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket("--max-build-time", "1s");
  const { status, stderr } = await stage.build(ticket, 'step "endless" "sleep 600" { }');
  assert.equal(status, 101, stderr);
});

test("Ctrl-C ends a build here, and its processes on the builder within a second", { skip }, async () => {
  const stage = current();
  const building = stage.start(await stage.ticket(), 'step "interrupted" "echo at work; sleep 600.25" { }');
  await building.until(/at work/, "stderr");
  assert.notDeepEqual(processesWith("sleep\0" + "600.25"), [], "the test cannot see what it looks for");
  await building.signal("SIGINT");
  const { status, stderr } = await building.ended;
  assert.equal(status, 130, stderr);
  await goneWithin(1_000, () => processesWith("sleep\0" + "600.25"));
});

test("a client that is killed and run again takes up its own build, which costs one use", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const expression = 'step "taken-up" "echo at work; sleep 3; echo done > $out" { }';
  const building = stage.start(ticket, expression);
  await building.until(/at work/, "stderr");
  await building.signal("SIGKILL");
  await building.ended;
  const [path = ""] = await stage.built(ticket, expression);
  assert.equal(readFileSync(stage.client.outside(path), "utf8"), "done\n");
  assert.equal((await stage.record(ticket)).status, "exhausted");
});

test("a builder that dies gives the use of an unfinished build back", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const building = stage.start(ticket, 'step "orphaned" "echo at work; sleep 600" { }');
  await building.until(/at work/, "stderr");
  await stage.stopServe("SIGKILL");
  await stage.startServe();
  const { status, stderr } = await building.ended;
  assert.notEqual(status, 0);
  assert.match(stderr, /the builder restarted/);
  assert.equal((await stage.record(ticket)).status, "active");
});

test("a builder that is not there is exit code 3", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  await stage.stopServe();
  try {
    const { status, stderr } = await stage.build(ticket, 'step "unreachable" "echo > $out" { }');
    assert.equal(status, 3, stderr);
  } finally {
    await stage.startServe();
  }
});

/** The processes of this machine whose command line holds this text. */
function processesWith(text: string): string[] {
  return globSync("/proc/[0-9]*/cmdline").filter(file => {
    try {
      return readFileSync(file, "utf8").includes(text);
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

/** Waits until there are none any more, for so many milliseconds. */
async function goneWithin(time: number, find: () => string[]): Promise<void> {
  const until = performance.now() + time;
  while (find().length > 0) {
    assert.ok(performance.now() < until, `there still is ${find().join(" ")}`);
    await setTimeout(20);
  }
}
