import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Failure } from "../../src/lib/failure.ts";
import type { PathInfo, Sha256 } from "../../src/nix/path-info.ts";
import type { NarItem, Store, StoreEvent } from "../../src/nix/store.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import {
  chunksOf,
  itemsOf,
  type MadeDerivation,
  type MadePath,
  sourcePath,
  textPath,
  unprovenPath,
} from "../fakes/make-path.ts";

/** What the build of a derivation does: print `hello from NAME` and succeed, print it and fail, or print it and never end. */
export type Does = "succeed" | "fail" | "sleep";

/** A machine whose Nix does not trust us, on which a suite runs. */
export interface StoreWorld {
  open(): Promise<Store>;
  /** Makes a derivation, not yet valid; its inputs must be added before it. */
  derivation(name: string, does: Does, inputs?: readonly MadeDerivation[]): MadeDerivation;
  close(): Promise<void>;
}

/** The contract of `Store`: the daemon's client and the fake both run it. */
export function storeContract(name: string, start: () => Promise<StoreWorld>, skip: string | false = false): void {
  suite(`${name} is a store`, { skip }, () => {
    let world: StoreWorld;
    let store: Store;
    const use = (what: string, body: (store: Store, world: StoreWorld) => Promise<void>) =>
      test(what, async () => {
        store = await world.open();
        try {
          await body(store, world);
        } finally {
          store.close();
        }
      });
    before(async () => {
      world = await start();
    });
    after(async () => {
      await world?.close();
    });
    queries(use);
    adding(use);
    reading(use);
    building(use);
    ending(use);
  });
}

type Use = (what: string, body: (store: Store, world: StoreWorld) => Promise<void>) => void;

function queries(use: Use): void {
  use("only valid paths are valid", async store => {
    const [here, absent] = [textPath("valid", "1"), textPath("absent", "1")];
    assert.deepEqual(await addAll(store, [here]), [here.info.path]);
    assert.deepEqual(await store.validPaths([absent.info.path, here.info.path]), new Set([here.info.path]));
    assert.deepEqual(await store.validPaths([]), new Set());
  });

  use("infos come in the order asked, with gaps where nothing is valid", async store => {
    const low = textPath("info-low", "low");
    const high = sourcePath("info-high", "high", [low.info.path]);
    await addAll(store, [low, high]);
    const infos = await store.pathInfos([high.info.path, textPath("absent", "2").info.path, low.info.path]);
    assert.deepEqual(infos.map(essential), [essential(high.info), undefined, essential(low.info)]);
  });

  use("a closure has references before those that refer to them, each once", async store => {
    const base = textPath("closure-base", "");
    const left = textPath("closure-left", "", [base.info.path]);
    const right = textPath("closure-right", "", [base.info.path]);
    const top = textPath("closure-top", "", [left.info.path, right.info.path]);
    await addAll(store, [base, left, right, top]);
    const paths = (await store.closure([top.info.path, left.info.path])).map(info => info.path);
    assert.equal(paths.length, 4);
    assert.equal(paths[0], base.info.path);
    assert.equal(paths[3], top.info.path);
  });

  use("the closure of a path that is not valid is refused with its name", async store => {
    const absent = textPath("absent", "3").info.path;
    await assert.rejects(store.closure([absent]), failure({ who: "nix", message: new RegExp(absent) }));
  });

  use("paths that do not exist yet can be rooted", async store => {
    await store.addTempRoots([textPath("future", "1").info.path, textPath("future", "2").info.path]);
  });

  use("the outputs of a derivation and what a build of it would do", async (store, world) => {
    const input = world.derivation("asked-input", "succeed");
    const drv = world.derivation("asked", "succeed", [input]);
    await addAll(store, [input, drv]);
    assert.deepEqual(await store.outputPaths(drv.info.path), new Map(Object.entries(drv.outputs)));
    const missing = await store.queryMissing([{ drv: drv.info.path, outputs: ["out"] }]);
    assert.deepEqual(missing.willBuild, new Set([input.info.path, drv.info.path]));
    assert.equal(missing.willSubstitute.size + missing.unknown.size, 0);
  });
}

function adding(use: Use): void {
  use("three hundred paths that refer to each other are added at once and read back", async store => {
    const paths: MadePath[] = [];
    for (let n = 0; n < 300; n++) {
      const references = n === 0 ? [] : [paths[n - 1], paths[n >> 1]].map(made => (made as MadePath).info.path);
      paths.push(textPath(`chain-${n}`, "x".repeat(n * 7), references));
    }
    assert.deepEqual(
      await addAll(store, paths),
      paths.map(made => made.info.path),
    );
    const back = await readAll(store, await infosOf(store, paths));
    for (const [n, made] of paths.entries()) assert.deepEqual(back[n], Buffer.from(made.nar), made.info.path);
  });

  use("adding what is valid already changes nothing", async store => {
    const made = textPath("twice", "2");
    assert.deepEqual(await addAll(store, [made, made]), [made.info.path, made.info.path]);
  });

  const wrong: readonly [what: string, path: () => MadePath][] = [
    ["bytes with another hash", () => withInfo(textPath("wrong", "hash"), { narHash: "0".repeat(64) as Sha256 })],
    ["a reference that is not valid", () => textPath("wrong", "ref", [textPath("absent", "4").info.path])],
    ["a path that nothing proves", () => unprovenPath("wrong", "unproven")],
    ["a content address that does not lead to the path", misnamed],
    ["a content address of other bytes", () => ({ ...textPath("wrong", "a"), ...withBytes("wrong", "a", "b") })],
  ];
  for (const [what, bad] of wrong) {
    use(`${what} is refused, what came before is valid, and the store goes on`, async store => {
      const good = textPath("before-the-wrong", what);
      const { info, nar } = bad();
      const added = collect(store.add(itemsOf([good, { info, nar }])));
      assert.ok((await rejection(added)) instanceof Failure);
      assert.deepEqual(await store.validPaths([good.info.path, info.path]), new Set([good.info.path]));
    });
  }

  const broken: readonly [what: string, chunks: (nar: Uint8Array) => AsyncIterable<Uint8Array>][] = [
    ["ends early", nar => chunksOf(nar.subarray(0, 70_000), 9_000)],
    ["ends before it begins", nar => chunksOf(nar.subarray(0, 0), 1)],
    ["is longer than announced", nar => chunksOf(Buffer.concat([nar, new Uint8Array(8)]), nar.length)],
    ["throws half way", nar => throwing(nar.subarray(0, 70_000))],
    ["throws after its last byte", nar => throwing(nar)],
  ];
  for (const [what, chunks] of broken) {
    use(`an archive that ${what} is not added, and the store goes on`, async store => {
      const before = textPath("before-the-broken", what);
      const { info, nar } = sourcePath("broken", what + "b".repeat(200_000));
      const items = async function* () {
        yield* itemsOf([before]);
        yield { info, nar: chunks(nar) };
      };
      const error = await rejection(collect(store.add(items())));
      assert.match(String(error), what.startsWith("throws") ? /torn on purpose/ : /broken/);
      assert.deepEqual(await store.validPaths([before.info.path, info.path]), new Set([before.info.path]));
      assert.deepEqual(await addAll(store, [{ info, nar }]), [info.path]);
    });
  }

  use("items that throw end the adding with their error", async store => {
    const made = textPath("then-nothing", "1");
    const items = async function* (): AsyncGenerator<NarItem> {
      yield* itemsOf([made]);
      throw new Error("no more items");
    };
    const seen: StorePath[] = [];
    const error = await rejection(
      (async () => {
        for await (const path of store.add(items())) seen.push(path);
      })(),
    );
    assert.match(String(error), /no more items/);
    assert.deepEqual(seen, [made.info.path]);
  });
}

function reading(use: Use): void {
  use("an archive with another hash than its info says fails at its last read", async store => {
    const made = textPath("lied-about", "1");
    await addAll(store, [made]);
    const reads = readAll(store, [{ ...made.info, narHash: "1".repeat(64) as Sha256 }]);
    await assert.rejects(reads, failure({ code: "hash-mismatch", reason: "connection-lost" }));
  });

  use("nothing is asked, nothing comes", async store => {
    assert.deepEqual(await collect(store.nars([])), []);
    assert.deepEqual(await addAll(store, []), []);
    assert.deepEqual(await store.closure([]), []);
  });
}

function building(use: Use): void {
  use("a build tells its lines as they come and makes its output valid", async (store, world) => {
    const drv = world.derivation("builds", "succeed");
    await addAll(store, [drv]);
    const events: StoreEvent[] = [];
    const target = { drv: drv.info.path, outputs: ["out"] };
    const outcomes = await store.build([target], {}, event => events.push(event));
    assert.deepEqual(outcomes, [{ drv: drv.info.path, status: "built", message: "" }]);
    const start = events.find(event => event.kind === "start" && event.type === 105);
    assert.ok(start?.kind === "start" && start.fields[0] === drv.info.path);
    const line = events.find(event => event.kind === "result" && event.type === 101);
    assert.ok(line?.kind === "result" && line.activity === start.activity);
    assert.deepEqual(line.fields, ["hello from builds"]);
    const [info] = await store.pathInfos([drv.outputs["out"] as StorePath]);
    assert.equal(info?.ultimate, true);
    assert.deepEqual(await statuses(store, [drv]), ["already-valid"]);
  });

  use("a build that fails says so with Nix's words", async (store, world) => {
    const drv = world.derivation("fails", "fail");
    await addAll(store, [drv]);
    const [outcome] = await store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, () => {});
    assert.equal(outcome?.status, "permanent-failure");
    assert.match(outcome.message, /fails\.drv/);
    assert.equal((await store.validPaths([drv.outputs["out"] as StorePath])).size, 0);
  });

  use("what depends on a failed build fails for that", async (store, world) => {
    const input = world.derivation("fails-below", "fail");
    const drv = world.derivation("above-a-failure", "succeed", [input]);
    await addAll(store, [input, drv]);
    assert.deepEqual(await statuses(store, [drv]), ["dependency-failed"]);
  });

  use("several targets go on past a failure when asked to", async (store, world) => {
    const drvs = [
      world.derivation("goes-on-1", "fail"),
      world.derivation("goes-on-2", "succeed"),
      world.derivation("goes-on-3", "succeed"),
    ];
    await addAll(store, drvs);
    assert.deepEqual(await statuses(store, drvs, true), ["permanent-failure", "built", "built"]);
  });

  use("every target has a result when the first failure ends all", async (store, world) => {
    const drvs = [world.derivation("stops-1", "fail"), world.derivation("stops-2", "sleep")];
    await addAll(store, drvs);
    assert.equal((await statuses(store, drvs)).length, 2);
  });
}

function ending(use: Use): void {
  use("closing in the middle of a build ends it", async (store, world) => {
    const drv = world.derivation("sleeps", "sleep");
    await addAll(store, [drv]);
    const build = store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, event => {
      if (event.kind === "result" && event.type === 101) store.close();
    });
    await assert.rejects(build, failure({ who: "nix", reason: "connection-lost" }));
  });

  use("a closed store refuses everything, and closing it again is nothing", async store => {
    store.close();
    store.close();
    const path = textPath("closed", "1");
    await assert.rejects(store.validPaths([path.info.path]), failure({ reason: "connection-lost" }));
    await assert.rejects(addAll(store, [path]), failure({ reason: "connection-lost" }));
    await assert.rejects(collect(store.nars([path.info])), failure({ reason: "connection-lost" }));
  });

  use("a question that is asked while paths are added is answered after them", async store => {
    const made = textPath("in-order", "1");
    const items = async function* () {
      answer = store.validPaths([made.info.path]);
      yield* itemsOf([made]);
    };
    let answer: Promise<Set<StorePath>> | undefined;
    await collect(store.add(items()));
    assert.deepEqual(await answer, new Set([made.info.path]));
  });
}

/** Adds these and says what became valid. */
export async function addAll(store: Store, paths: Iterable<MadePath>): Promise<StorePath[]> {
  return collect(store.add(itemsOf(paths)));
}

/** The NARs of these, each whole. */
export async function readAll(store: Store, infos: readonly PathInfo[]): Promise<Buffer[]> {
  const nars: Buffer[] = [];
  for await (const { nar } of store.nars(infos)) nars.push(Buffer.concat(await collect(nar)));
  return nars;
}

/** All that a source gives. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** A check for `assert.rejects`: a `Failure` with these. */
export function failure(wanted: { code?: string; who?: string; reason?: string; message?: RegExp }) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Failure, String(error));
    const { message, ...exact } = wanted;
    for (const [key, value] of Object.entries(exact))
      assert.equal(error[key as keyof typeof exact], value, error.message);
    if (message) assert.match(error.message, message);
    return true;
  };
}

async function statuses(store: Store, drvs: readonly MadeDerivation[], keepGoing = false): Promise<string[]> {
  const targets = drvs.map(({ info }) => ({ drv: info.path, outputs: ["out"] }));
  const outcomes = await store.build(targets, { keepGoing }, () => {});
  assert.deepEqual(
    outcomes.map(outcome => outcome.drv),
    targets.map(target => target.drv),
  );
  return outcomes.map(outcome => outcome.status);
}

async function infosOf(store: Store, paths: readonly MadePath[]): Promise<PathInfo[]> {
  const infos = await store.pathInfos(paths.map(made => made.info.path));
  return infos.filter(info => info !== undefined);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error,
  );
}

async function* throwing(nar: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* chunksOf(nar, 9_000);
  throw new Error("torn on purpose");
}

function withInfo({ info, nar }: MadePath, change: Partial<PathInfo>): MadePath {
  return { nar, info: { ...info, ...change } };
}

function withBytes(name: string, told: string, sent: string): MadePath {
  const { path, ca } = textPath(name, told).info;
  return withInfo(textPath(name, sent), { path, ...(ca !== undefined && { ca }) });
}

function misnamed(): MadePath {
  return withInfo(textPath("misnamed", "a"), { path: textPath("misnamed", "b").info.path });
}

function essential(info: PathInfo | undefined) {
  if (!info) return undefined;
  const { path, narHash, narSize, references, ca } = info;
  return { path, narHash, narSize, references, ca };
}
