import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { BuildOpenRequestSchema } from "../../gen/drvthru/v1/build_pb.js";
import { CacheFetchRequestSchema } from "../../gen/drvthru/v1/cache_pb.js";
import { idFromBytes } from "../../src/lib/ids.ts";
import { openRequestFromWire } from "../../src/server/build/request.ts";
import { sandboxWarning } from "../../src/server/machine.ts";
import { derivation, type MadePath, sourcePath, textPath } from "../fakes/make-path.ts";
import { FakeStore } from "../fakes/store.ts";
import { built } from "./cache/built.ts";
import {
  begin,
  closure,
  fetched,
  missing,
  only,
  open,
  outcomeOf,
  put,
  putData,
  putPaths,
  putStart,
  randomId,
  reasonOf,
  refused,
  until,
  upload,
  watch,
} from "./calls.ts";
import { type World, world } from "./world.ts";

const eventsOf = (builder: World, buildId: Uint8Array) =>
  join(builder.folder, "builds", idFromBytes(buildId) ?? "", "events");

test("attack: a guest opens many downloads and asks for nothing; another still builds and fetches", async t => {
  const builder = await world(t, { limits: { maxFetchStores: 2, maxFetchStoresOfOwner: 1, maxQueryStores: 1 } });
  const thief = await builder.anyone();
  const theirs = await begin(thief, [derivation({ name: "theirs" })]);
  const leave = Promise.withResolvers<void>();
  async function* silent() {
    yield create(CacheFetchRequestSchema, { buildId: theirs });
    await leave.promise;
  }
  const held = Array.from({ length: 20 }, () => thief.cache.fetch(silent())[Symbol.asyncIterator]().next());
  const drv = derivation({ name: "honest" });
  const guest = await builder.anyone();
  const buildId = await begin(guest, [drv]);
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  const out = drv.outputs["out"] ?? "";
  assert.equal((await closure(guest, buildId, out)).length, 1);
  assert.equal((await fetched(guest, buildId, [out])).size, 1);
  leave.resolve();
  await Promise.all(held);
});

test("attack: a guest begins downloads that go past the cache, and reads no further; another still fetches", async t => {
  const limits = { maxFetchStores: 2, maxFetchStoresOfOwner: 1, maxCacheBytes: 1 };
  const thief = await built(t, [randomBytes(4_000_000).toString("hex")], { limits });
  const { builder, guest, buildId, outs } = thief;
  const begun = Array.from({ length: 4 }, () => {
    const items = outs.map(path => ({ path }));
    const parts = guest.cache.fetch(only({ buildId, items }))[Symbol.asyncIterator]();
    return { parts, first: parts.next() };
  });
  await Promise.race(begun.map(({ first }) => first));
  const other = await builder.anyone();
  const drv = derivation({ name: "honest" });
  const theirs = await begin(other, [drv]);
  assert.equal(await outcomeOf(other, theirs), "BUILT");
  assert.equal((await fetched(other, theirs, [drv.outputs["out"] ?? ""])).size, 1);
  guest.kill();
});

test("attack: a guest takes the conversations for uploads with paths that it does not end; another's upload goes through", async t => {
  const builder = await world(t, { limits: { maxPutStores: 2, maxPutStoresOfOwner: 1, stallTime: 600_000 } });
  const thief = await builder.anyone();
  const theirs = await open(thief, [derivation({ name: "theirs" })]);
  const leave = Promise.withResolvers<void>();
  async function* half(name: string) {
    const path = sourcePath(name, "x".repeat(10_000));
    yield putStart(theirs);
    yield putPaths([path]);
    yield putData(path.nar.subarray(0, 1_000));
    await leave.promise;
  }
  const held = ["a", "b", "c"].map(name => thief.upload.put(half(name))[Symbol.asyncIterator]().next());
  for (const call of held) call.catch(() => undefined);
  while (!builder.nix.asked.includes("add")) await new Promise(setImmediate);
  const guest = await builder.anyone();
  const mine = sourcePath("mine", "two");
  assert.deepEqual(await put(guest, await open(guest, [derivation({ name: "honest" })]), [mine]), [mine.info.path]);
  thief.kill();
  leave.resolve();
  await Promise.allSettled(held);
});

test("attack: a guest keeps upload streams open and sends nothing more; another's upload goes through", async t => {
  const builder = await world(t, { limits: { maxPutStores: 1, stallTime: 20 } });
  const thief = await builder.anyone();
  const theirs = await open(thief, [derivation({ name: "theirs" })]);
  const small = sourcePath("small", "one");
  const leave = Promise.withResolvers<void>();
  async function* silent() {
    yield putStart(theirs);
    yield putPaths([small]);
    yield putData(small.nar);
    await leave.promise;
  }
  const dropped = (async () => {
    for await (const { registered } of thief.upload.put(silent())) assert.deepEqual(registered, [small.info.path]);
  })().then(() => "taken", reasonOf);
  while (!builder.nix.valid.has(small.info.path)) await new Promise(setImmediate);
  const guest = await builder.anyone();
  const mine = sourcePath("mine", "two");
  assert.deepEqual(await put(guest, await open(guest, [derivation({ name: "honest" })]), [mine]), [mine.info.path]);
  assert.equal(await dropped, "UPLOAD_STALLED");
  leave.resolve();
});

test("attack: a build changes its phase without end to fill the builder's disk", async t => {
  const builder = await world(t, { limits: { maxEventBytes: 10_000 } });
  const guest = await builder.anyone();
  const drv = derivation({ name: "restless" });
  builder.nix.script(drv.info.path, async ({ phase }) => {
    for (let n = 0; n < 5_000; n++) phase(`phase ${n} ${"x".repeat(100)}`);
    return undefined;
  });
  const buildId = await begin(guest, [drv]);
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  const { size } = await stat(eventsOf(builder, buildId));
  assert.ok(size < 11_000, `${size} bytes`);
});

test("attack: a guest fetches what was there already, and cancels before the end to keep its use", async t => {
  const builder = await world(t);
  const drv = derivation({ name: "ready" });
  const first = await builder.anyone();
  assert.equal(await outcomeOf(first, await begin(first, [drv])), "BUILT");
  const rooted = Promise.withResolvers<void>();
  t.mock.method(FakeStore.prototype, "addIndirectRoot", async (link: string) => {
    if (!link.endsWith(".drv")) await rooted.promise;
  });
  const ticket = await builder.ticket();
  const thief = builder.guest(ticket);
  const buildId = await upload(thief, [drv]);
  const started = refused(thief.build.start({ buildId }));
  await until(thief, buildId, "outputReady");
  assert.equal((await fetched(thief, buildId, [drv.outputs["out"] ?? ""])).size, 1);
  await thief.build.cancel({ buildId });
  rooted.resolve();
  await started;
  assert.equal(builder.state.ticket(ticket)?.committed, 1);
});

test("attack: from a build whose use was given back nothing is fetched", async t => {
  const builder = await world(t);
  const drv = derivation({ name: "ready" });
  const first = await builder.anyone();
  assert.equal(await outcomeOf(first, await begin(first, [drv])), "BUILT");
  const thief = await builder.anyone();
  const buildId = await upload(thief, [drv]);
  await thief.build.cancel({ buildId });
  const out = drv.outputs["out"] ?? "";
  assert.equal(await refused(closure(thief, buildId, out)), "NOT_PERMITTED");
  assert.equal(await refused(fetched(thief, buildId, [out])), "NOT_PERMITTED");
});

test("attack: one guest opens and cancels builds until another's result would be forgotten", async t => {
  const builder = await world(t, { limits: { keepBuilds: 3 } });
  const drv = derivation({ name: "honest" });
  const guest = await builder.anyone();
  const buildId = await begin(guest, [drv]);
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  const thief = await builder.anyone();
  for (let n = 0; n < 6; n++) {
    await thief.build.cancel({ buildId: await open(thief, [derivation({ name: `flood-${n}` })]) });
  }
  assert.equal((await fetched(guest, buildId, [drv.outputs["out"] ?? ""])).size, 1);
});

test("attack: one ticket with many client keys does not take all the room for builds", async t => {
  const builder = await world(t, {
    limits: { maxOpenBuilds: 4, maxOpenBuildsOfCredential: 2, maxOpenBuildsOfOwner: 2 },
  });
  const ticket = await builder.ticket({ uses: undefined });
  const openAs = (n: number) => open(builder.guest(ticket, randomId()), [derivation({ name: `flood-${n}` })]);
  await openAs(1);
  await openAs(2);
  assert.equal(await refused(openAs(3)), "LIMIT");
  await open(await builder.anyone(), [derivation({ name: "honest" })]);
});

test("attack: builds that are opened all at once do not all find the same place free", async t => {
  const builder = await world(t, { limits: { maxOpenBuildsOfOwner: 3 } });
  const guest = await builder.anyone();
  const opens = Array.from({ length: 8 }, (_, n) => refused(open(guest, [derivation({ name: `flood-${n}` })])));
  const answers = (await Promise.all(opens)).sort();
  assert.deepEqual(answers, [...Array(5).fill("LIMIT"), ...Array(3).fill("taken")]);
});

/** Texts of which each refers to all before it. */
function tangle(count: number): MadePath[] {
  const paths: MadePath[] = [];
  for (let n = 0; n < count; n++) {
    paths.push(
      textPath(
        `knot-${n}`,
        `${n}`,
        paths.map(path => path.info.path),
      ),
    );
  }
  return paths;
}

test("attack: a guest names paths with more references than real ones have, to fill the builder's memory", async t => {
  const builder = await world(t, { limits: { maxNamedPaths: 36 } });
  const guest = await builder.anyone();
  // 33 paths have 528 references, 36 have 630; 16 × 36 are allowed.
  const few = await open(guest, [derivation({ name: "few" })]);
  assert.equal((await missing(guest, few, tangle(33))).length, 33);
  const many = await open(guest, [derivation({ name: "many" })]);
  assert.equal(await refused(missing(guest, many, tangle(36))), "LIMIT");
});

test("paths named by all builds together have a limit, and a build that ends makes room", async t => {
  const builder = await world(t, { limits: { maxNamedPathsOfAll: 2 } });
  const [one, two, three] = ["one", "two", "three"].map(name => sourcePath(name, name)) as [
    MadePath,
    MadePath,
    MadePath,
  ];
  const guest = await builder.anyone();
  const first = await open(guest, [derivation({ name: "first" })]);
  assert.equal((await missing(guest, first, [one, two])).length, 2);
  const other = await builder.anyone();
  const second = await open(other, [derivation({ name: "second" })]);
  assert.equal(await refused(missing(other, second, [three])), "LIMIT");
  await guest.build.cancel({ buildId: first });
  assert.equal((await missing(other, second, [three])).length, 1);
});

test("a watch ends with the result although a full disk kept it out of the events", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const buildId = await begin(guest, [derivation({ name: "a" })]);
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  await truncate(eventsOf(builder, buildId), 0);
  const events = await watch(guest, buildId);
  assert.deepEqual(
    events.map(({ event }) => event.case),
    ["result"],
  );
});

test("attack: an installable moves the administrator's cursor", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  await open(guest, [derivation({ name: "a" })], { installable: "hello\u001b[2J\u009b1A\u202eolleh\nfake line" });
  const { builds } = await builder.connect({ kind: "administrator" }).build.list({});
  assert.equal(builds[0]?.installable, "helloolleh fake line");
});

test("as many outputs as a build may have pass, and one more is refused", () => {
  const outputs = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ name: `o${n}`, path: textPath(`out-${n}`, "").info.path }));
  const targets = (last: number) =>
    [...Array.from({ length: 16 }, () => 255), last].map((count, n) => ({
      drvPath: textPath(`d${n}.drv`, "").info.path,
      outputs: outputs(count),
    }));
  const request = (last: number) =>
    create(BuildOpenRequestSchema, { buildId: new Uint8Array(32), targets: targets(last), installable: "" });
  assert.equal(openRequestFromWire(request(16)).request.targets.length, 17);
  assert.throws(() => openRequestFromWire(request(17)), /at most 4096 outputs/);
});

test("a builder whose Nix may build outside of a sandbox warns its owner", () => {
  assert.equal(sandboxWarning({ sandbox: "all" }), undefined);
  for (const sandbox of ["where-possible", "not-all"] as const) {
    assert.match(sandboxWarning({ sandbox }) ?? "", /could read the whole store; set sandbox = true/);
  }
});
