import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { BuildOutcome, BuildResultSchema } from "../../gen/drvthru/v1/build_pb.js";
import type { Dial } from "../../src/client/connection/dial.ts";
import { openNotes } from "../../src/client/run/notes.ts";
import { Failure } from "../../src/lib/failure.ts";
import { derivation, sourcePath } from "../fakes/make-path.ts";
import { kinds, makeWorld } from "./world.ts";

const app = derivation({ name: "app" });

test("a dropped connection during the build is made again, and the build goes on after the last event", async t => {
  const world = await makeWorld(t);
  world.seed(app);
  const { builder } = world;
  builder.run = async build => {
    builder.tellEvent(build, { case: "started", value: {} });
    builder.tellEvent(build, { case: "logLine", value: { activity: 0n, text: "before" } });
    await new Promise(resolve => setTimeout(resolve, 50));
    builder.sessions[0]?.kill();
    builder.tellEvent(build, { case: "logLine", value: { activity: 0n, text: "meanwhile" } });
    builder.buildAll(build);
  };
  const { events, failure } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.ok(kinds(events).includes("reconnecting"));
  const lines = events.flatMap(event => (event.kind === "log" ? [event.text] : []));
  assert.deepEqual(lines, ["before", "meanwhile", "hello red"]);
  assert.equal(builder.builds.size, 1);
  assert.equal(builder.calls.filter(call => call === "open" || call === "start").length, 2);
});

test("a connection that finds a direct way is told as such, without escapes that its address may hold", async t => {
  const world = await makeWorld(t);
  world.seed(app);
  const { builder } = world;
  builder.run = async build => {
    builder.changePath("direct", "192.0.2.7:4433\u001b[2J");
    builder.buildAll(build);
  };
  const { events, failure } = await world.build([app]);
  assert.equal(failure, undefined);
  const ways = events.flatMap(event => (event.kind === "connected" || event.kind === "path" ? [event.path] : []));
  assert.deepEqual(ways, ["relay", "direct"]);
  const [address] = events.flatMap(event => (event.kind === "path" ? [event.address] : []));
  assert.match(address ?? "", /^192\.0\.2\.7:4433[^\u001b]*$/);
});

test("a connection that drops while outputs come down is made again and the rest is fetched", async t => {
  const world = await makeWorld(t);
  const dep = derivation({ name: "dep" });
  const top = derivation({ name: "top", inputs: [dep] });
  world.seed(dep, top);
  const { builder } = world;
  let cut = false;
  builder.bytesOf = path => {
    if (!cut && path.info.path === top.outputs["out"]) {
      cut = true;
      builder.sessions[0]?.kill();
    }
    return path.nar;
  };
  const { failure } = await world.build([top]);
  assert.equal(failure, undefined);
  assert.equal(builder.sessions.length, 2);
});

test("a connection that drops while inputs go up is made again, and only what still lacks is sent", async t => {
  const world = await makeWorld(t);
  const sources = ["a", "b"].map(name => sourcePath(name, randomBytes(3 << 20)));
  const top = derivation({ name: "top", sources: sources.map(source => source.info.path) });
  world.seed(...sources, top);
  const { builder } = world;
  let cut = false;
  builder.onCall = name => {
    if (name !== "put" || cut) return;
    cut = true;
    builder.nix.seed(...sources.slice(0, 1));
    builder.sessions[0]?.kill();
  };
  const { failure, events } = await world.build([top]);
  assert.equal(failure, undefined);
  assert.deepEqual(
    builder.uploaded,
    [sources[1], top].map(path => path?.info.path),
  );
  assert.equal(events.filter(event => event.kind === "opened").length, 2);
  assert.equal(builder.builds.size, 1);
});

test("a connection that breaks again and again without anything moving is given up with a failure to try again", async t => {
  const world = await makeWorld(t);
  world.seed(app);
  const { builder } = world;
  builder.onCall = name => {
    if (name === "open" || name === "get") builder.sessions.at(-1)?.kill();
  };
  const { failure } = await world.build([app]);
  assert.equal(failure?.code, "unreachable");
  assert.equal(builder.sessions.length, 5);
});

test("a builder that cannot be reached is given up after 30 s, with the code for trying again", async t => {
  for (const answerMs of [Number.POSITIVE_INFINITY, 700]) {
    const world = await makeWorld(t);
    world.seed(app);
    let clock = 0;
    const now = t.mock.method(performance, "now", () => clock);
    const dial: Dial = async (_peer, { timeoutMs }) => {
      clock += Math.min(timeoutMs, answerMs);
      throw new Failure("unreachable", "the network", "nobody answers");
    };
    Object.defineProperty(world.builder, "dial", { value: dial });
    const { failure } = await world.build([app]);
    now.mock.restore();
    assert.equal(failure?.code, "unreachable");
    assert.ok(clock >= 24_000 && clock <= 30_000, `given up after ${clock} ms`);
    assert.match(failure?.fix ?? "", /drv-thru serve/);
  }
});

test("who gives up says why nobody was found, not that the last attempt ran out of time", async t => {
  const world = await makeWorld(t);
  world.seed(app);
  let clock = 0;
  const now = t.mock.method(performance, "now", () => clock);
  const dial: Dial = async (_peer, { timeoutMs }) => {
    const first = clock === 0;
    clock += first ? 1_000 : timeoutMs;
    const [reason, text] = first ? ["no-address", "nothing says where it is"] : ["no-answer", "no answer within 29 s"];
    throw new Failure("unreachable", "the network", text ?? "", { reason: reason ?? "" });
  };
  Object.defineProperty(world.builder, "dial", { value: dial });
  const { failure } = await world.build([app]);
  now.mock.restore();
  assert.equal(failure?.message, "nothing says where it is");
});

test("a builder of which nobody knows where it is, is to be placed where it was named", async t => {
  const world = await makeWorld(t, { trust: "trusted" });
  world.seed(app);
  let clock = 0;
  const now = t.mock.method(performance, "now", () => clock);
  const dial: Dial = async (_peer, { timeoutMs }) => {
    clock += timeoutMs;
    throw new Failure("unreachable", "the network", "nothing says where it is", { reason: "no-address" });
  };
  Object.defineProperty(world.builder, "dial", { value: dial });
  const { endpointId } = world.builder;
  const byId = await world.build([app], { target: { server: { endpointId } } });
  await mkdir(join(world.home, ".config/drv-thru"), { recursive: true });
  const file = { builders: { lev: { endpoint_id: endpointId } } };
  await writeFile(join(world.home, ".config/drv-thru/builders.json"), JSON.stringify(file));
  const byName = await world.build([app], { target: { builder: "lev" } });
  now.mock.restore();
  assert.equal(byId.failure?.fix, "say where it is: --address IP:PORT or --relay-url URL");
  assert.equal(byName.failure?.fix, "say in its builder file where it is: addresses or relay_url");
});

test("the same command run again after a kill takes up its own unfinished build", async t => {
  const world = await makeWorld(t);
  world.seed(app);
  const { builder } = world;
  // The killed run: its note stays, its process is gone.
  builder.run = async build => {
    await markDead(world.home);
    builder.buildAll(build);
  };
  await world.build([app]);
  await restoreNote();
  world.nix.valid.delete(app.outputs["out"] as never);
  const { events, failure } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(events.find(event => event.kind === "opened")?.attached, true);
  assert.equal(builder.builds.size, 1);
  assert.deepEqual(await readdir(join(world.home, ".local/state/drv-thru/builds")), []);
});

test("an unfinished build that the builder has given back is begun anew", async t => {
  const world = await makeWorld(t);
  world.seed(app);
  const { builder } = world;
  builder.run = async build => {
    await markDead(world.home);
    builder.end(build, BuildOutcome.CANCELLED);
  };
  await world.build([app]);
  await restoreNote();
  builder.run = async build => builder.buildAll(build);
  const [old] = builder.builds.values();
  if (old) old.record.result = create(BuildResultSchema, { outcome: BuildOutcome.CANCELLED, refunded: true });
  const { events, failure } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(events.find(event => event.kind === "opened")?.attached, false);
  assert.equal(builder.builds.size, 2);
});

test("a state folder that cannot be written is a warning, not a failure", async t => {
  const world = await makeWorld(t);
  world.seed(app);
  await writeFile(join(world.home, ".local"), "a file where a folder should be");
  const { events, failure } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(events.filter(event => event.kind === "warning" && /cannot note/.test(event.text)).length, 1);
});

test("a note of a process that still runs is left alone", async t => {
  const world = await makeWorld(t);
  const notes = openNotes(join(world.home, "state"), assert.fail);
  const key = { credential: "c", client: "d", endpointId: "e", request: new Uint8Array([1]) };
  await notes.write(key, "ab".repeat(32) as never);
  assert.equal(await notes.find(key), undefined);
});

let kept: { readonly file: string; readonly text: string } | undefined;

async function markDead(home: string): Promise<void> {
  const folder = join(home, ".local/state/drv-thru/builds");
  const [name = ""] = await readdir(folder);
  const text = (await readFile(join(folder, name), "utf8")).replace(/"process":"[^"]*"/, '"process":"1@0"');
  kept = { file: join(folder, name), text };
}

async function restoreNote(): Promise<void> {
  if (kept) await writeFile(kept.file, kept.text);
}
