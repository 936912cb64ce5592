import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { batches } from "../../src/client/import/by-helper.ts";
import { findHelper } from "../../src/client/import/helper.ts";
import { copyOrder } from "../../src/client/import/order.ts";
import { HELPER_LIMITS } from "../../src/lib/helper-protocol.ts";
import { parsePublicKey } from "../../src/nix/signing-key.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { derivation, unprovenPath } from "../fakes/make-path.ts";
import { startFakeHelper } from "./fake-helper.ts";
import { makeWorld } from "./world.ts";

async function helped(t: TestContext) {
  const world = await makeWorld(t, { trustsKey: false });
  const helper = await startFakeHelper(t, world);
  const deps = ["a", "b", "c"].map(name => derivation({ name }));
  const app = derivation({ name: "app", inputs: deps });
  world.seed(...deps, app);
  const out = app.outputs["out"] as StorePath;
  const outputs = [...deps, app].map(drv => drv.outputs["out"] as StorePath);
  return { world, helper, app, out, outputs };
}

test("a user without trust imports through the helper: asked about the key first, then for exactly what is lacking", async t => {
  const { world, helper, app, outputs } = await helped(t);
  const { failure, report } = await world.build([app]);
  assert.equal(failure, undefined);
  const [first, second, ...more] = helper.questions;
  assert.deepEqual(first, { ask: "key", key: world.builder.signingKey });
  assert.ok(second?.ask === "import");
  assert.match(second.url, /^http:\/\/127\.0\.0\.1:\d+\/[A-Za-z0-9_-]{32}$/);
  assert.deepEqual(new Set(second.paths), new Set(outputs));
  assert.deepEqual(more, []);
  assert.ok(outputs.every(path => world.nix.valid.has(path)));
  assert.equal(report?.downloadedPaths, outputs.length);
});

test("the helper is asked before anything is uploaded", async t => {
  const { world, helper, app } = await helped(t);
  helper.onKey = () => ({ ok: false, reason: "key-not-allowed", message: "no" });
  const { failure } = await world.build([app]);
  assert.deepEqual([failure?.code, failure?.reason], ["not-permitted", "key-not-trusted"]);
  assert.match(failure?.message ?? "", /the import helper of this machine does not take this key either/);
  assert.deepEqual(world.builder.calls, []);
});

test("what nix copy asks for in another order, and all at once, comes too", async t => {
  const { world, helper, app, outputs } = await helped(t);
  helper.onImport = async question => {
    const leaves = question.paths.filter(path => path !== outputs.at(-1)).reverse();
    await Promise.all(leaves.map(path => helper.copy(question, path)));
    for (const path of question.paths) if (!leaves.includes(path)) await helper.copy(question, path);
    return { ok: true };
  };
  assert.equal((await world.build([app])).failure, undefined);
  assert.ok(outputs.every(path => world.nix.valid.has(path)));
});

test("attack: another user of this machine asks the client's port for what is not theirs to know", async t => {
  const { world, helper, app, out } = await helped(t);
  const met: Record<string, number> = {};
  let port = "";
  helper.onImport = async question => {
    assert.match(question.url, /^http:\/\/127\.0\.0\.1:\d+\/[A-Za-z0-9_-]{32}$/);
    const { origin, pathname } = new URL(question.url);
    port = new URL(question.url).port;
    const narinfo = `${out.slice(11, 43)}.narinfo`;
    const other = unprovenPath("other", "1").info.path.slice(11, 43);
    for (const [name, url, method] of [
      ["without the name", `${origin}/${narinfo}`, "GET"],
      ["another name", `${origin}/${"x".repeat(32)}/${narinfo}`, "GET"],
      ["another path", `${question.url}/${other}.narinfo`, "GET"],
      ["a list", `${question.url}/`, "GET"],
      ["a path that climbs", `${origin}${pathname}/../${narinfo}`, "GET"],
      ["a query", `${question.url}/${narinfo}?x`, "GET"],
      ["another method", `${question.url}/${narinfo}`, "PUT"],
      ["only the head", `${question.url}/${narinfo}`, "HEAD"],
      ["what is there", `${question.url}/${narinfo}`, "GET"],
    ] as const) {
      met[name] = (await fetch(url, { method })).status;
    }
    // Another address of the loopback stands for all others of this machine.
    await assert.rejects(once(connect(Number(port), "127.0.0.2"), "connect"), "it listens elsewhere too");
    return { ok: false, reason: "import-failed", message: "enough seen" };
  };
  const { failure } = await world.build([app]);
  assert.match(failure?.message ?? "", /the import helper could not import: enough seen/);
  assert.deepEqual(met, {
    "without the name": 404,
    "another name": 404,
    "another path": 404,
    "a list": 404,
    "a path that climbs": 404,
    "a query": 404,
    "another method": 405,
    "only the head": 405,
    "what is there": 200,
  });
  const socket = connect(Number(port), "127.0.0.1");
  const [error] = await once(socket, "error");
  assert.equal(error.code, "ECONNREFUSED", "the port is closed afterwards");
});

test("what the builder sends wrongly is told as such, not as a failure of the helper", async t => {
  const { world, helper, app, out } = await helped(t);
  world.builder.bytesOf = ({ nar }) => Buffer.from(nar).map((byte, at) => (at === 96 ? byte ^ 1 : byte));
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "path-corrupt");
  assert.ok(!world.nix.valid.has(out));
  assert.equal(helper.questions.filter(question => question.ask === "import").length, 1);
});

test("a helper that stumbles over a path which somebody else imported meanwhile is asked for the rest", async t => {
  const { world, helper, app, outputs } = await helped(t);
  let times = 0;
  const { onImport } = helper;
  helper.onImport = async (question, hungUp) => {
    if (times++ > 0) return await onImport(question, hungUp);
    await helper.copy(question, question.paths[0] ?? "");
    return { ok: false, reason: "import-failed", message: "not an absolute path: 'nix-archive-1'" };
  };
  assert.equal((await world.build([app])).failure, undefined);
  const asked = helper.questions.flatMap(question => (question.ask === "import" ? [question.paths.length] : []));
  assert.deepEqual(asked, [outputs.length, outputs.length - 1]);
});

for (const [what, answer, code, reason] of [
  ["refuses", { ok: false, reason: "import-failed", message: "no" }, "failed", "import-failed"],
  ["finds the disk full", { ok: false, reason: "disk-full", message: "No space left" }, "failed", "disk-full"],
  ["stops", { ok: false, reason: "stopping", message: "it is stopping" }, "unreachable", "helper-gone"],
  ["says that all is done, and it is not", { ok: true }, "failed", "import-failed"],
] as const) {
  test(`a helper that ${what} fails the build, and says so`, async t => {
    const { world, helper, app } = await helped(t);
    helper.onImport = async () => answer;
    const { failure } = await world.build([app]);
    assert.deepEqual([failure?.code, failure?.reason], [code, reason], failure?.message);
    assert.match(failure?.message ?? "", /import helper/);
    assert.equal(helper.questions.length, 2);
  });
}

test("a cancelled build hangs up on the helper", async t => {
  const { world, helper, app } = await helped(t);
  const abort = new AbortController();
  const gone = Promise.withResolvers<boolean>();
  helper.onImport = async (_question, hungUp) => {
    abort.abort();
    gone.resolve(await Promise.race([hungUp.then(() => true), sleep(10_000, false, { ref: false })]));
    return { ok: true };
  };
  const { failure } = await world.build([app], { signal: abort.signal });
  assert.equal(failure?.code, "cancelled");
  assert.ok(await gone.promise);
});

test("what stands where the helper should be is told apart", async t => {
  const { world, helper } = await helped(t);
  const key = parsePublicKey(world.builder.signingKey);
  const find = async (name: string) =>
    (await findHelper(join(world.home, name), key, new AbortController().signal)).kind;
  assert.equal(await find("helper.sock"), "allowed");
  helper.onKey = () => ({ ok: false, reason: "key-not-allowed", message: "" });
  assert.equal(await find("helper.sock"), "key-not-allowed");
  assert.equal(await find("nothing"), "absent");
  await writeFile(join(world.home, "file"), "");
  assert.equal(await find("file"), "not-a-socket");
  assert.equal(await find("file/sock"), "absent");
  helper.onKey = () => ({ ok: "perhaps" }) as never;
  assert.equal(await find("helper.sock"), "silent");
  const closed = join(world.home, "helper.sock");
  await chmod(world.home, 0o755);
  await chmod(closed, 0o000);
  const found = await asNobody(() => findHelper(closed, key, new AbortController().signal));
  assert.deepEqual([found.kind, found.gid], ["no-permission", (await stat(closed)).gid]);
});

/** Root may open everything: then somebody else tries. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return await work();
  process.seteuid?.(65_534);
  return await work().finally(() => process.seteuid?.(0));
}

test("8,192 paths are one question, one more makes a second, and no question is longer than it may be", () => {
  const { info } = unprovenPath("x", "1");
  const sizes = (count: number) => [...batches(Array.from({ length: count }, () => info))].map(batch => batch.length);
  assert.deepEqual(sizes(HELPER_LIMITS.paths), [8192]);
  assert.deepEqual(sizes(HELPER_LIMITS.paths + 1), [8192, 1]);

  const long = unprovenPath("x".repeat(211), "1").info;
  const questions = [...batches(Array.from({ length: 8192 }, () => long))].map(batch => {
    const url = "http://127.0.0.1:65535/".padEnd(152, "x");
    const key = `${"k".repeat(255)}:${"A".repeat(44)}`;
    return JSON.stringify({ ask: "import", key, url, paths: batch.map(info => info.path) });
  });
  assert.equal(questions.length, 3);
  for (const question of questions) assert.ok(question.length + 1 <= HELPER_LIMITS.message);
});

test("paths are asked for as nix copy does it: what is referred to first, by name where that leaves a choice", () => {
  const leaf = unprovenPath("leaf", "1");
  const a = unprovenPath("a", "1", [leaf.info.path]);
  const b = unprovenPath("b", "1", [leaf.info.path, a.info.path]);
  const self = { ...unprovenPath("self", "1").info };
  const loop = { ...self, references: [self.path] };
  const infos = [leaf.info, a.info, b.info, loop];
  const lone = ["1", "2", "3", "4"].map(content => unprovenPath("lone", content).info);
  assert.deepEqual(
    copyOrder(lone).map(info => info.path),
    lone.map(info => info.path).sort(),
  );
  const ordered = copyOrder([...infos].reverse()).map(info => info.path);
  assert.deepEqual(new Set(ordered), new Set(infos.map(info => info.path)));
  for (const info of infos) {
    for (const ref of info.references) assert.ok(ordered.indexOf(ref) <= ordered.indexOf(info.path));
  }
});

for (const [what, arrange] of [
  ["in the order in which they run ahead", (paths: readonly string[]) => paths],
  ["from the end, when there is no more room for what runs ahead", (paths: readonly string[]) => paths.toReversed()],
] as const) {
  test(`more than is held at once comes ${what}, and so does what is large`, async t => {
    const world = await makeWorld(t, { trustsKey: false });
    const helper = await startFakeHelper(t, world);
    const { nix } = world.builder;
    const produced = nix.produced.bind(nix);
    nix.produced = (drv, path, content, references) => {
      const long = path.endsWith("-large") ? 20_000 : 1_600;
      produced(drv, path, content.repeat(long), references);
    };
    const deps = Array.from({ length: 100 }, (_, n) =>
      derivation({ name: n % 25 === 7 ? "large" : `d${n}`, script: `${n}` }),
    );
    const app = derivation({ name: "app", inputs: deps });
    world.seed(...deps, app);
    helper.onImport = async question => {
      const leaves = question.paths.filter(path => !path.endsWith("-app"));
      for (const path of arrange(leaves)) await helper.copy(question, path);
      for (const path of question.paths) if (!leaves.includes(path)) await helper.copy(question, path);
      return { ok: true };
    };
    const { failure, report } = await world.build([app]);
    assert.equal(failure, undefined);
    assert.equal(report?.downloadedPaths, 101);
    const sizes = deps.map(drv => world.nix.valid.get(drv.outputs["out"] as StorePath)?.info.narSize ?? 0);
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) > 12 << 20);
    assert.ok(Math.max(...sizes) > 1 << 20);
  });
}

test("the helper gets the first bytes of a large path while the builder still has the last ones", async t => {
  const { world, helper, app, out } = await helped(t);
  const { builder } = world;
  const produced = builder.nix.produced.bind(builder.nix);
  const long = randomBytes(400_000).toString("hex");
  builder.nix.produced = (drv, path, content, references) =>
    produced(drv, path, path === out ? long : content, references);
  const seen = Promise.withResolvers<boolean>();
  let pieces = 0;
  let early = true;
  builder.send = async function* (part) {
    if (part.part?.case === "begin") pieces = 0;
    pieces += 1;
    if (pieces === 200) early &&= await Promise.race([seen.promise, sleep(10_000, false, { ref: false })]);
    yield { parts: [part] };
  };
  helper.onImport = async question => {
    for (const path of question.paths) if (path !== out) await helper.copy(question, path);
    const { body } = await fetch(`${question.url}/nar/${out.slice(11, 43)}.nar`);
    for await (const bytes of body ?? []) seen.resolve(bytes.length > 0);
    await helper.copy(question, out);
    return { ok: true };
  };
  assert.equal((await world.build([app])).failure, undefined);
  assert.ok(world.nix.valid.has(out));
  assert.ok(early, "they came only when all had come");
});

test("a link that breaks in the middle of an import through the helper is made again, and the rest comes", async t => {
  const { world, helper, app, out, outputs } = await helped(t);
  const { builder } = world;
  let cut = false;
  builder.bytesOf = ({ info, nar }) => {
    if (!cut && info.path === out) {
      cut = true;
      builder.sessions[0]?.kill();
    }
    return nar;
  };
  const { failure, events } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.ok(outputs.every(path => world.nix.valid.has(path)));
  assert.ok(events.some(event => event.kind === "reconnecting"));
  assert.equal(helper.questions.filter(question => question.ask === "key").length, 1);
});
