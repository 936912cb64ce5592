import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { BuildState } from "../../gen/drvthru/v1/build_pb.js";
import type { BuilderStatus } from "../../gen/drvthru/v1/status_pb.js";
import { type ClientId, idToBytes } from "../../src/lib/ids.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { Channel } from "../../src/server/channel.ts";
import { derivation, sourcePath } from "../fakes/make-path.ts";
import { databaseWith } from "../state/history.ts";
import { id } from "../state/samples.ts";
import { begin, fetched, missing, open, putData, putPaths, putStart, randomId, resultOf } from "./calls.ts";
import { type Connected, world } from "./world.ts";

test("a guest sees its own builds and the number of the others, the administrator sees all", async t => {
  const builder = await world(t);
  const [mine, theirs] = [await builder.anyone(), await builder.anyone()];
  const gate = Promise.withResolvers<undefined>();
  const drv = derivation({ name: "long" });
  builder.nix.script(drv.info.path, () => gate.promise);
  const running = await begin(theirs, [drv]);
  await open(mine, [derivation({ name: "mine" })]);

  const { status } = await mine.status.get({});
  assert.equal(status?.activeCount, 1);
  assert.deepEqual(status?.active, []);
  assert.equal(status?.opened.length, 1);

  const administrator = builder.connect({ kind: "administrator" });
  const all = (await administrator.status.get({})).status;
  assert.equal(all?.active[0]?.state, BuildState.RUNNING);
  assert.equal(all?.opened.length, 1);
  gate.resolve(undefined);
  await resultOf(theirs, running);
  const after = (await administrator.status.get({})).status;
  assert.equal(after?.recent.length, 1);
  assert.equal((await mine.status.get({})).status?.recent.length, 0);
});

test("a watch of the status tells each change", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const enough = new AbortController();
  const updates = guest.status.watch({}, { signal: enough.signal })[Symbol.asyncIterator]();
  assert.equal((await updates.next()).value?.status?.opened.length, 0);
  await open(guest, [derivation({ name: "mine" })]);
  assert.equal((await updates.next()).value?.status?.opened.length, 1);
  enough.abort();
});

/** The first status of which this holds. */
async function statusWhere(guest: Connected, holds: (status: BuilderStatus) => boolean): Promise<BuilderStatus> {
  const enough = new AbortController();
  try {
    for await (const { status } of guest.status.watch({}, { signal: enough.signal })) {
      if (status && holds(status)) return status;
    }
  } finally {
    enough.abort();
  }
  throw new Error("the watch ended");
}

test("an upload under way is told with its bytes so far and in all, to its owner and the administrator alone", async t => {
  const builder = await world(t);
  const [guest, stranger] = [await builder.anyone(), await builder.anyone()];
  const administrator = builder.connect({ kind: "administrator" });
  const path = sourcePath("large", randomBytes(200_000));
  const buildId = await open(guest, [derivation({ name: "a" })]);
  await missing(guest, buildId, [path]);
  const messages = new Channel<ReturnType<typeof putStart | typeof putPaths | typeof putData>>(10);
  const sending = (async () => {
    for await (const _ of guest.upload.put(messages));
  })();
  await messages.send(putStart(buildId));
  await messages.send(putPaths([path]));
  await messages.send(putData(path.nar.subarray(0, 100_000)));
  const { uploads } = await statusWhere(administrator, status => (status.uploads[0]?.bytes ?? 0n) > 0n);
  assert.deepEqual(
    uploads.map(({ bytes, totalBytes, streams }) => [Number(bytes), Number(totalBytes), streams]),
    [[100_000, path.nar.length, 1]],
  );
  assert.equal((await stranger.status.get({})).status?.uploads.length, 0);
  await messages.send(putData(path.nar.subarray(100_000, 200_000)));
  await messages.send(putData(path.nar.subarray(200_000)));
  messages.end();
  await sending;
  await statusWhere(guest, status => status.uploads.length === 0);
});

test("what is fetched after a build has ended counts among its bytes, also after a restart", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket();
  const client = randomId<ClientId>();
  const guest = builder.guest(ticket, client);
  const drv = derivation({ name: "done" });
  const buildId = await begin(guest, [drv]);
  await resultOf(guest, buildId);
  await fetched(guest, buildId, [drv.outputs["out"] ?? ""]);
  const recent = async (who: Connected) => (await who.status.get({})).status?.recent ?? [];
  const [told] = await recent(guest);
  assert.ok(told && told.downloadedBytes > 0n);
  await builder.crash();
  await builder.start();
  const [kept] = await recent(builder.guest(ticket, client));
  assert.deepEqual([kept?.buildId, kept?.downloadedBytes], [buildId, told.downloadedBytes]);
});

test("as many ended builds are told as the limit says, newest first, also after a restart", async t => {
  const builder = await world(t, { limits: { recentBuilds: 2 } });
  const guest = await builder.anyone();
  for (const name of ["one", "two", "three"]) {
    await resultOf(guest, await begin(guest, [derivation({ name })], [], { installable: name }));
  }
  const administrator = () => builder.connect({ kind: "administrator" });
  const recent = async (who: Connected) => (await who.status.get({})).status?.recent.map(b => b.installable);
  assert.deepEqual(await recent(guest), ["three", "two"]);
  assert.deepEqual(await recent(administrator()), ["three", "two"]);
  await builder.crash();
  await builder.start();
  assert.deepEqual(await recent(administrator()), ["three", "two"]);
});

test("a recent build's error has at most 512 characters, and the times of its life", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const drv = derivation({ name: "wordy" });
  const message = "ä".repeat(2000);
  builder.nix.script(drv.info.path, async () => ({ status: "permanent-failure", message }));
  await resultOf(guest, await begin(guest, [drv]));
  const [told] = (await guest.status.get({})).status?.recent ?? [];
  assert.equal(told?.result?.message, message.slice(0, 512));
  const times = [told?.openedAt, told?.queuedAt, told?.startedAt, told?.finishedAt].map(at => Number(at?.seconds));
  assert.ok(times.every(time => time > 0) && times.length === 4, times.join());
  assert.deepEqual(times, times.toSorted());
});

test("the status has the builder's start, its clock and its limits, and those of a live build", async t => {
  const builder = await world(t, { limits: { maxConcurrentBuilds: 3, recentBuilds: 7 } });
  const guest = await builder.anyone({ maxBuildSeconds: 60, maxUploadBytes: 5000 });
  await open(guest, [derivation({ name: "mine" })]);
  const { status } = await guest.status.get({});
  assert.ok(status?.at && status.startedAt && status.at.seconds >= status.startedAt.seconds);
  assert.deepEqual([status.maxConcurrentBuilds, status.recentBuildsLimit], [3, 7]);
  const [build] = status.opened;
  assert.deepEqual([build?.maxBuildSeconds, build?.maxUploadBytes], [60n, 5000n]);
});

test("a download under way is told to its owner and the administrator alone", async t => {
  const builder = await world(t);
  const [guest, stranger] = [await builder.anyone(), await builder.anyone()];
  const drv = derivation({ name: "fetched" });
  const buildId = await begin(guest, [drv]);
  await resultOf(guest, buildId);
  const requests = new Channel<{ buildId: Uint8Array; items: { path: string }[] }>(2);
  const fetching = (async () => {
    for await (const _ of guest.cache.fetch(requests));
  })();
  await requests.send({ buildId, items: [{ path: drv.outputs["out"] ?? "" }] });
  const { downloads } = await statusWhere(guest, status => (status.downloads[0]?.bytes ?? 0n) > 0n);
  assert.deepEqual([downloads.length, downloads[0]?.installable], [1, "test"]);
  assert.equal((await builder.connect({ kind: "administrator" }).status.get({})).status?.downloads.length, 1);
  assert.equal((await stranger.status.get({})).status?.downloads.length, 0);
  requests.end();
  await fetching;
  await statusWhere(guest, status => status.downloads.length === 0);
});

test("attack: guests open builds of a thousand derivations to break the administrator's status and the lists", async t => {
  const builder = await world(t);
  const long = (n: number) => `${n}-`.padEnd(190, "x");
  const sample = derivation({ name: "sample" });
  const drvs = Array.from({ length: 1_024 }, (_, n) => {
    const name = long(n);
    const path = (end: string) => sample.info.path.replace("sample.drv", `${name}${end}`) as StorePath;
    const outputs = Object.fromEntries(["a", "b", "c", "d"].map(o => [o.repeat(120), path(`-${o}`)]));
    return { ...sample, info: { ...sample.info, path: path(".drv") }, outputs };
  });
  const ticket = await builder.ticket({ uses: undefined });
  const guest = builder.guest(ticket);
  for (let n = 0; n < 4; n++) await open(guest, drvs, { installable: "i".repeat(512) });
  const administrator = builder.connect({ kind: "administrator" });
  const { status } = await administrator.status.get({});
  assert.deepEqual(
    status?.opened.map(({ targets }) => targets.length),
    [0, 0, 0, 0],
  );
  for (const list of [await guest.build.list({}), await administrator.build.list({})]) {
    assert.deepEqual(
      list.builds.map(({ targets }) => targets.length),
      [1_024, 0, 0, 0],
    );
  }
});

test("attack: a guest's builds fail with long messages in many derivations; the status tells them in short", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const failing = Array.from({ length: 64 }, (_, n) => derivation({ name: `failing-${n}` }));
  for (const drv of failing)
    builder.nix.script(drv.info.path, async () => ({
      status: "permanent-failure",
      message: `'${drv.info.path}' ${"e".repeat(4_000)}`,
    }));
  for (let n = 0; n < 20; n++) {
    const target = derivation({ name: `target-${n}`, inputs: failing });
    await resultOf(guest, await begin(guest, [target], failing, { options: { keepGoing: true } }));
  }
  const { status } = await builder.connect({ kind: "administrator" }).status.get({});
  assert.equal(status?.recent.length, 20);
  assert.ok(status.recent.every(({ result }) => result?.failures.length === 0 && [...result.message].length <= 512));
});

for (const [name, installable, least, most] of [
  ["1,000", "nixpkgs#hello", 1_000, 1_000],
  ["as many as fit into 1 MiB", "\u{1F600}".repeat(128), 300, 999],
] as const) {
  test(`of more ended builds the status tells the newest, ${name}`, async t => {
    const builder = await world(t, {
      limits: { recentBuilds: 10_000, keepBuilds: 10_000 },
      before: folder => databaseWith(folder, { tickets: 1, builds: 1_001 }, { installable }).close(),
    });
    const { status } = await builder.connect({ kind: "administrator" }).status.get({});
    const told = status?.recent ?? [];
    assert.ok(told.length >= least && told.length <= most, `${told.length}`);
    assert.deepEqual(told[0]?.buildId, idToBytes(id.build(1_000)));
  });
}
