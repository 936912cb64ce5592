import assert from "node:assert/strict";
import { lstat, readlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { BuildOutcome, BuildState } from "../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import { BuildFailure } from "../../src/client/report.ts";
import { derivation, sourcePath } from "../fakes/make-path.ts";
import { refusal } from "./builder-transfers.ts";
import { kinds, makeWorld, outcomeOf } from "./world.ts";

function example() {
  const source = sourcePath("main.c", "int main() {}\n".repeat(50_000));
  const dep = derivation({ name: "dep" });
  const app = derivation({ name: "app", outputs: ["out", "dev"], inputs: [dep], sources: [source.info.path] });
  return { source, dep, app, all: [source, dep, app] };
}

test("a person builds by ticket: inputs go up, signed outputs with their closure come into the store, links are made", async t => {
  const world = await makeWorld(t);
  const { app, dep, all } = example();
  world.seed(...all);
  const { events, report, failure } = await world.build([app], { outLink: "result" });
  assert.equal(failure, undefined);
  const wanted = [
    "evaluated",
    "connecting",
    "connected",
    "opened",
    "missing",
    "upload",
    "upload-encoding",
    "upload",
    "started",
    "derivation-started",
  ];
  assert.deepEqual(kinds(events).slice(0, wanted.length), wanted);
  assert.equal(events.at(-1)?.kind, "summary");
  for (const path of [app.outputs["out"], app.outputs["dev"], dep.outputs["out"]]) {
    assert.ok(world.nix.valid.get(path as never)?.info.signatures[0]?.startsWith("drv-thru-test:"));
  }
  assert.deepEqual(new Set(world.builder.uploaded), new Set(all.map(path => path.info.path)));
  assert.equal(await readlink(join(world.home, "result")), app.outputs["out"]);
  assert.equal(await readlink(join(world.home, "result-dev")), app.outputs["dev"]);
  assert.ok(world.nix.indirectRoots.has(join(world.home, "result-dev")));
  assert.equal(report?.uploadedPaths, 3);
  assert.equal(report?.downloadedPaths, 3);
  assert.equal(
    report?.uploadedBytes,
    all.reduce((sum, path) => sum + path.info.narSize, 0),
  );
  assert.equal(world.nix.connections.size, 0, "every connection to the daemon was closed");
  await Promise.all(world.builder.sessions.map(pair => pair.client.closed));
});

test("the builder sees proofs of the client key and of the ticket, each time from a new endpoint", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  await world.build([app]);
  await world.build([app], { rebuild: true });
  assert.equal(world.builder.presented.size, 2);
  assert.notEqual(world.builder.sessions[0]?.client.local, world.builder.sessions[1]?.client.local);
});

test("outputs that are valid here need no builder, no target and no network", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  await world.build([app]);
  const { events, report } = await world.build([app], { target: undefined, outLink: "result" });
  assert.deepEqual(kinds(events), ["evaluated", "linked", "summary"]);
  assert.equal(report?.endpointId, undefined);
  assert.equal(world.builder.sessions.length, 1);
});

test("what the builder has already is not sent again", async t => {
  const world = await makeWorld(t);
  const { app, source, all } = example();
  world.seed(...all);
  world.builder.nix.seed(source);
  const { events } = await world.build([app]);
  const missing = events.find(event => event.kind === "missing");
  assert.deepEqual({ paths: missing?.paths, of: missing?.of }, { paths: 2, of: 3 });
  assert.ok(!world.builder.uploaded.includes(source.info.path));
});

test("outputs that somebody else here brings in meanwhile are not fetched", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  const { builder, nix } = world;
  builder.onCall = name => {
    if (name === "closure") nix.seed(...builder.nix.valid.values());
  };
  const { failure, report } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(report?.downloadedPaths, 0);
  assert.ok(!builder.calls.includes("fetch"));
});

test("log lines reach a program without terminal escapes, named for their derivation", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  const { events } = await world.build([app]);
  const line = events.find(event => event.kind === "log");
  assert.deepEqual(line, { kind: "log", activity: 1, path: app.info.path, text: "hello red" });
});

test("a failing build is a BuildFailure with the derivation and the last lines of its log", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  world.builder.run = async build => {
    world.builder.tellEvent(build, { case: "derivationStarted", value: { activity: 4n, path: app.info.path } });
    for (let i = 1; i <= 30; i++)
      world.builder.tellEvent(build, { case: "logLine", value: { activity: 4n, text: `line ${i}` } });
    world.builder.end(build, BuildOutcome.FAILED, "builder failed with exit code 1");
  };
  const { events, failure } = await world.build([app]);
  assert.ok(failure instanceof BuildFailure);
  assert.equal(failure.code, "build-failed");
  assert.equal(failure.report.failed[0]?.drvPath, app.info.path);
  assert.deepEqual(
    failure.report.failed[0]?.lastLines,
    Array.from({ length: 25 }, (_, i) => `line ${i + 6}`),
  );
  assert.equal(events.at(-1)?.kind, "summary");
});

for (const [outcome, code] of [
  [BuildOutcome.TIMED_OUT, "timed-out"],
  [BuildOutcome.HASH_MISMATCH, "hash-mismatch"],
  [BuildOutcome.NOT_DETERMINISTIC, "not-deterministic"],
] as const) {
  test(`a build that ends as ${BuildOutcome[outcome]} has the code ${code}`, async t => {
    const world = await makeWorld(t);
    const { app, all } = example();
    world.seed(...all);
    world.builder.run = async build => world.builder.end(build, outcome);
    assert.equal((await world.build([app])).failure?.code, code);
  });
}

for (const narFetches of [1, 3, 1000]) {
  test(`eighty outputs come over ${narFetches} streams, references first`, async t => {
    const world = await makeWorld(t);
    const deps = Array.from({ length: 80 }, (_, i) => derivation({ name: `dep${i}` }));
    const app = derivation({ name: "app", inputs: deps });
    world.seed(...deps, app);
    const { report } = await world.build([app], { narFetches });
    assert.equal(report?.downloadedPaths, 81);
    assert.equal(world.builder.calls.filter(call => call === "fetch").length, Math.min(narFetches, 16));
  });
}

test("an exhausted ticket is refused with its reason and nothing is uploaded", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  world.builder.failNext.set("open", refusal(Reason.TICKET_EXHAUSTED, "every use of this ticket is spent"));
  const { failure } = await world.build([app]);
  assert.deepEqual(
    [failure?.code, failure?.who, failure?.reason],
    ["not-permitted", "the builder", "ticket-exhausted"],
  );
  // What is missing is asked beside, which sends names and no bytes.
  assert.deepEqual(world.builder.calls, ["present", "open", "missing"]);
  assert.deepEqual(world.builder.uploaded, []);
});

test("a ticket that an own given-up reservation holds is taken over", async t => {
  const world = await makeWorld(t);
  const { app, dep, all } = example();
  world.seed(...all);
  await world.build([dep]);
  const [first] = world.builder.builds.values();
  if (first) first.record.state = BuildState.RESERVED;
  world.builder.failNext.set("open", refusal(Reason.TICKET_IN_USE, "in use by another build"));
  const { failure } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(world.builder.calls.filter(call => call === "open").length, 3);
});

test("who aborts gets cancelled, the builder is told, and nothing stays open", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  const abort = new AbortController();
  world.builder.run = async () => abort.abort();
  const { failure } = await outcomeOf(world.start([app], { signal: abort.signal }));
  assert.equal(failure?.code, "cancelled");
  assert.equal(world.builder.cancelled.length, 1);
  assert.equal(world.nix.connections.size, 0);
  await Promise.all(world.builder.sessions.map(pair => pair.client.closed));
});

test("something else where the result link should be fails before any connection", async t => {
  const world = await makeWorld(t);
  const { app, all } = example();
  world.seed(...all);
  const { failure } = await world.build([app], { outLink: "." });
  assert.equal(failure?.reason, "link-taken");
  assert.equal(world.builder.sessions.length, 0);
  assert.ok((await lstat(world.home)).isDirectory());
});
