import assert from "node:assert/strict";
import { makePlan, type Plan } from "../../src/client/plan/plan.ts";
import { checkProof, readClosure } from "../../src/client/transfer/closure.ts";
import { createMeter } from "../../src/client/transfer/meter.ts";
import { findMissing } from "../../src/client/transfer/missing.ts";
import { putPaths } from "../../src/client/transfer/put.ts";
import { type BuildId, idFromBytes } from "../../src/lib/ids.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { derivation, type MadeDerivation, type MadePath, textPath } from "../fakes/make-path.ts";
import { FakeNix } from "../fakes/nix.ts";
import { fetched, open, outcomeOf } from "./calls.ts";
import type { Connected, World } from "./world.ts";

/** A derivation whose closure has so many paths. */
export interface LargeClosure {
  readonly drv: MadeDerivation;
  /** All but the derivation, references first: a tree, whose root the derivation needs. */
  readonly sources: readonly MadePath[];
}

/** Makes one. */
export function largeClosure(paths: number): LargeClosure {
  const made: (MadePath | undefined)[] = Array.from({ length: paths - 1 });
  for (let n = paths - 2; n >= 0; n--) {
    const children = [made[2 * n + 1], made[2 * n + 2]].filter(child => child !== undefined);
    made[n] = textPath(
      `source-${n}`,
      `${n}`,
      children.map(child => child.info.path),
    );
  }
  const sources = made.filter(path => path !== undefined).reverse();
  const root = sources.at(-1)?.info.path;
  return { drv: derivation({ name: "large", sources: root === undefined ? [] : [root] }), sources };
}

/** Messages of one call, and the most that one of them had. */
export interface Counted {
  messages: number;
  mostInfos: number;
}

/** What each step took, and what crossed the wire. */
export interface LargeClosureTold {
  readonly steps: { readonly what: string; readonly seconds: number; readonly heapMib: number }[];
  readonly asked: Counted;
  readonly answered: Counted;
}

/** A client plans, names, uploads what is missing, builds, and reads and checks the closure of what came out, of which all sources are a part. */
export async function buildLargeClosure(
  builder: World,
  { drv, sources }: LargeClosure,
  missing: number,
): Promise<LargeClosureTold> {
  const home = new FakeNix();
  home.seed(...sources, drv);
  // All but some, spread, are there already, as what the builder itself has made.
  const every = Math.floor(sources.length / missing);
  const there = sources.filter((_, n) => n % every !== 0 || n / every >= missing);
  builder.nix.seed(...there.map(({ nar, info }) => ({ nar, info: { ...info, ultimate: true } })));
  const root = sources.at(-1)?.info.path;
  builder.nix.script(drv.info.path, async ({ produce }) => {
    produce("out", "large", root === undefined ? [] : [root]);
    return undefined;
  });
  const guest = await builder.anyone({ maxUploadBytes: 1024 ** 3 });
  const told: LargeClosureTold = { steps: [], asked: nothing(), answered: nothing() };
  const step = stepper(told);
  const { signal } = new AbortController();

  const plan = await step("plan", async () =>
    makePlan(await home.open(), [{ drv: drv.info.path, outputs: outputsOf(drv) }]),
  );
  const buildId = await open(guest, [drv]);
  const build = idFromBytes<BuildId>(buildId) as BuildId;
  const lacking = await step("name, ask what is missing", () =>
    findMissing(countedMissing(guest, told.asked), build, plan.inputs, signal),
  );
  await step("upload what is missing", () => upload(guest, build, home, lacking));
  await step("start and build", async () => {
    await guest.build.start({ buildId });
    assert.equal(await outcomeOf(guest, buildId), "BUILT");
  });
  const closure = await step("closure, vouched for", () => readOutput(guest, build, drv, plan, builder, told.answered));
  await step("check every signature", async () => {
    for (const info of closure) checkProof(info, { key: builder.signingKey.public });
  });
  const some = lacking.slice(0, 20).map(info => info.path);
  await step("fetch 20 paths", async () => assert.equal((await fetched(guest, buildId, some)).size, some.length));
  assert.deepEqual([lacking.length, closure.length], [missing + 1, sources.length + 1]);
  return told;
}

const nothing = (): Counted => ({ messages: 0, mostInfos: 0 });

function stepper({ steps }: LargeClosureTold) {
  return async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const began = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(began);
    steps.push({ what, seconds: (user + system) / 1e6, heapMib: process.memoryUsage().heapUsed / 2 ** 20 });
    return result;
  };
}

function outputsOf(drv: MadeDerivation): Map<string, StorePath> {
  return new Map(Object.entries(drv.outputs));
}

function countedMissing(guest: Connected, count: Counted): Connected["upload"] {
  const missing: Connected["upload"]["missing"] = (requests, options) =>
    guest.upload.missing(
      counting(requests, count, ({ paths = [] }) => paths.length),
      options,
    );
  return { ...guest.upload, missing };
}

async function readOutput(
  guest: Connected,
  build: BuildId,
  drv: MadeDerivation,
  plan: Plan,
  builder: World,
  count: Counted,
) {
  const closure: Connected["cache"]["closure"] = (request, options) =>
    counting(guest.cache.closure(request, options), count, ({ infos }) => infos.length);
  const rules = { expected: plan.expected, key: builder.signingKey.public };
  const output = drv.outputs["out"] as StorePath;
  return await readClosure({ ...guest.cache, closure }, build, output, rules, new AbortController().signal);
}

async function* counting<T>(messages: AsyncIterable<T>, count: Counted, infosIn: (message: T) => number) {
  for await (const message of messages) {
    count.messages += 1;
    count.mostInfos = Math.max(count.mostInfos, infosIn(message));
    yield message;
  }
}

async function upload(guest: Connected, build: BuildId, home: FakeNix, missing: readonly PathInfo[]): Promise<void> {
  const context = {
    upload: guest.upload,
    build,
    openStore: home.open,
    meter: createMeter(() => undefined),
    maxStreams: 4,
    encoding: () => undefined,
    signal: new AbortController().signal,
  };
  await putPaths(context, missing);
}
