import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Store } from "../../../src/nix/store.ts";
import type { StorePath } from "../../../src/nix/store-path.ts";
import { addAll, collect, failure, readAll } from "../../contract/store/tools.ts";
import { itemsOf, type MadePath, sourcePath, textPath, unprovenPath } from "../../fakes/make-path.ts";
import { until } from "../../until.ts";
import { type DaemonHost, noDaemon, startDaemon } from "./host.ts";

suite("a daemon and the paths that come and go", { skip: noDaemon }, () => {
  let daemon: DaemonHost;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.close());

  test("takes an archive of 20 MB while it says much, and gives it back", async () => {
    using store = await daemon.open();
    const big = sourcePath("big", Buffer.alloc(20_000_000, "drv-thru"));
    const many = Array.from({ length: 100 }, (_, n) => textPath(`beside-big-${n}`, "x".repeat(n)));
    await addAll(store, [...many.slice(0, 50), big, ...many.slice(50)]);
    const infos = await store.pathInfos([big, ...many].map(made => made.info.path));
    const nars = await readAll(store, infos as NonNullable<(typeof infos)[number]>[]);
    assert.ok(nars[0]?.equals(big.nar));
    assert.equal(nars.length, 101);
  });

  test("takes from another daemon's archives as they come", async () => {
    using from = await daemon.open();
    using to = await daemon.open();
    const made = sourcePath("passed-on", Buffer.alloc(3_000_000, 7));
    await addAll(from, [made]);
    assert.deepEqual(await collect(to.add(from.nars([made.info]))), [made.info.path]);
  });

  test("forgets an archive whose sender vanished half way", async () => {
    using other = await daemon.open();
    const store = await daemon.open();
    const { info, nar } = sourcePath("vanished", Buffer.alloc(1_000_000, 1));
    const items = async function* () {
      yield {
        info,
        nar: (async function* () {
          yield nar.subarray(0, 400_000);
          yield nar.subarray(400_000, 800_000);
          store.close();
          yield nar.subarray(800_000);
        })(),
      };
    };
    await assert.rejects(collect(store.add(items())), failure({ reason: "connection-lost" }));
    assert.equal((await other.validPaths([info.path])).size, 0);
    assert.deepEqual(await addAll(other, [{ info, nar }]), [info.path]);
  });

  test("tells its refusal although the next archive never comes", async () => {
    using store = await daemon.open();
    const { info, nar } = unprovenPath("refused-then-silence", "1");
    const items = async function* () {
      yield* itemsOf([{ info, nar } satisfies MadePath]);
      await new Promise(() => {});
    };
    await assert.rejects(collect(store.add(items())), failure({ who: "nix", reason: "refused" }));
    assert.equal((await store.validPaths([info.path])).size, 0);
  });

  test("keeps rooted paths from the garbage collector until the connection is closed", async () => {
    const kept = await daemon.open();
    using other = await daemon.open();
    const [rooted, loose] = [textPath("rooted", "1"), textPath("loose", "1")];
    await kept.addTempRoots([rooted.info.path]);
    const brief = await daemon.open();
    await addAll(brief, [rooted, loose]);
    brief.close();
    await gone(daemon, other, loose.info.path);
    assert.deepEqual(await other.validPaths([rooted.info.path]), new Set([rooted.info.path]));
    kept.close();
    await gone(daemon, other, rooted.info.path);
  });
});

/** Collects garbage until a path is no more: a daemon's process may outlive its connection by a moment, and its roots with it. */
async function gone({ host }: DaemonHost, store: Store, path: StorePath): Promise<void> {
  await until(`${path} is collected`, async () => {
    const { status, stderr } = await host.run(["nix-store", "--gc"], { user: "root", env: { NIX_REMOTE: "daemon" } });
    assert.equal(status, 0, stderr);
    return (await store.validPaths([path])).size === 0;
  });
}
