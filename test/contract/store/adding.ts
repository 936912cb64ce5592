import assert from "node:assert/strict";
import { Failure } from "../../../src/lib/failure.ts";
import type { PathInfo, Sha256 } from "../../../src/nix/path-info.ts";
import type { NarItem, Store } from "../../../src/nix/store.ts";
import type { StorePath } from "../../../src/nix/store-path.ts";
import { chunksOf, itemsOf, type MadePath, sourcePath, textPath, unprovenPath } from "../../fakes/make-path.ts";
import { addAll, collect, readAll, rejection } from "./tools.ts";
import type { Use } from "./world.ts";

/** Paths that go in, and such as must not. */
export function adding(use: Use): void {
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

async function infosOf(store: Store, paths: readonly MadePath[]): Promise<PathInfo[]> {
  const infos = await store.pathInfos(paths.map(made => made.info.path));
  return infos.filter(info => info !== undefined);
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
