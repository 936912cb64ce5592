import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDaemon } from "../../src/nix/daemon/open.ts";
import { generateSecretKey, signPath } from "../../src/nix/signing-key.ts";
import type { Store, StoreEvent } from "../../src/nix/store.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { addAll, collect, failure, readAll } from "../contract/store/tools.ts";
import { derivation, itemsOf, type MadePath, sourcePath, textPath, unprovenPath } from "../fakes/make-path.ts";
import { type DaemonHost, noDaemon, processesWith, startDaemon } from "../nix-daemon/host.ts";

const key = generateSecretKey("test-1");

suite("a daemon that does not trust us", { skip: noDaemon }, () => {
  let host: DaemonHost;
  before(async () => {
    host = await startDaemon({ trustedKey: key });
  });
  after(() => host?.close());

  test("tells its version", async () => {
    using store = await opened(host);
    assert.match(store.nixVersion, /^2\.\d+/);
    assert.notEqual(store.trust, "trusted");
  });

  test("takes an archive of 20 MB while it says much, and gives it back", async () => {
    using store = await opened(host);
    const big = sourcePath("big", Buffer.alloc(20_000_000, "drv-thru"));
    const many = Array.from({ length: 100 }, (_, n) => textPath(`beside-big-${n}`, "x".repeat(n)));
    await addAll(store, [...many.slice(0, 50), big, ...many.slice(50)]);
    const infos = await store.pathInfos([big, ...many].map(made => made.info.path));
    const nars = await readAll(store, infos as NonNullable<(typeof infos)[number]>[]);
    assert.ok(nars[0]?.equals(big.nar));
    assert.equal(nars.length, 101);
  });

  test("takes from another daemon's archives as they come", async () => {
    using from = await opened(host);
    using to = await opened(host);
    const made = sourcePath("passed-on", Buffer.alloc(3_000_000, 7));
    await addAll(from, [made]);
    assert.deepEqual(await collect(to.add(from.nars([made.info]))), [made.info.path]);
  });

  test("takes what a trusted key has signed, and keeps the signature, but not that it is ultimate", async () => {
    using store = await opened(host);
    const { info, nar } = unprovenPath("signed", "1");
    const signature = signPath(info, key);
    await addAll(store, [{ nar, info: { ...info, signatures: [signature], ultimate: true } }]);
    const [found] = await store.pathInfos([info.path]);
    assert.deepEqual(found?.signatures, [signature]);
    assert.equal(found?.ultimate, false);
  });

  test("refuses what another key has signed, and unsigned paths also when asked not to check", async () => {
    using store = await opened(host);
    const { info, nar } = unprovenPath("signed", "2");
    const signatures = [signPath(info, generateSecretKey("test-1"))];
    await assert.rejects(addAll(store, [{ nar, info: { ...info, signatures } }]), failure({ reason: "refused" }));
    const adding = store.add(itemsOf([{ info, nar }]), { dontCheckSignatures: true });
    await assert.rejects(collect(adding), failure({ who: "nix", message: /signature/ }));
  });

  test("shows a build's lines before the build has ended", async () => {
    using store = await opened(host);
    const drv = derivation({
      name: "two-lines",
      script: "echo one; while ! [ -e $flag ]; do /bin/sleep 0.02; done; echo two > $out",
      env: { flag: "/nix/var/flag" },
    });
    await addAll(store, [drv]);
    const lines: unknown[] = [];
    const [outcome] = await store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, event => {
      if (event.kind !== "result" || event.type !== 101) return;
      lines.push(event.fields[0]);
      void host.run("touch", "/nix/var/flag");
    });
    assert.equal(outcome?.status, "built");
    assert.deepEqual(lines, ["one"]);
  });

  test("ends a derivation that takes too long", async () => {
    using store = await opened(host);
    const drv = derivation({ name: "too-long", script: "while :; do /bin/sleep 0.1; done" });
    await addAll(store, [drv]);
    const [outcome] = await store.build([{ drv: drv.info.path, outputs: ["out"] }], { timeoutSeconds: 1 }, () => {});
    assert.equal(outcome?.status, "timed-out");
  });

  test("finds that a build is not deterministic when asked to build it again", async () => {
    using store = await opened(host);
    const drv = derivation({ name: "random", script: "read x < /proc/sys/kernel/random/uuid; echo $x > $out" });
    await addAll(store, [drv]);
    const targets = [{ drv: drv.info.path, outputs: ["out"] }];
    assert.equal((await store.build(targets, {}, () => {}))[0]?.status, "built");
    assert.equal((await store.build(targets, { check: true }, () => {}))[0]?.status, "not-deterministic");
  });

  test("kills a build's processes when the connection is closed", async () => {
    using store = await opened(host);
    const marker = `drv-thru-marker-${process.pid}`;
    const drv = derivation({ name: "killed", script: `: ${marker}; echo up; while :; do /bin/sleep 0.1; done` });
    await addAll(store, [drv]);
    const up = Promise.withResolvers<void>();
    const build = store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, event => {
      if (event.kind === "result" && event.type === 101) up.resolve();
    });
    await up.promise;
    assert.notDeepEqual(processesWith(marker), []);
    store.close();
    await assert.rejects(build, failure({ reason: "connection-lost" }));
    for (let tries = 0; tries < 500 && processesWith(marker).length > 0; tries++) await sleep(20);
    assert.deepEqual(processesWith(marker), []);
  });

  test("keeps rooted paths from the garbage collector until the connection is closed", async () => {
    const kept = await opened(host);
    using other = await opened(host);
    const [rooted, loose] = [textPath("rooted", "1"), textPath("loose", "1")];
    await kept.addTempRoots([rooted.info.path]);
    const brief = await opened(host);
    await addAll(brief, [rooted, loose]);
    brief.close();
    await gone(host, other, loose.info.path);
    assert.deepEqual(await other.validPaths([rooted.info.path]), new Set([rooted.info.path]));
    kept.close();
    await gone(host, other, rooted.info.path);
  });

  test("forgets an archive whose sender vanished half way", async () => {
    using other = await opened(host);
    const store = await opened(host);
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
    using store = await opened(host);
    const { info, nar } = unprovenPath("refused-then-silence", "1");
    const items = async function* () {
      yield* itemsOf([{ info, nar } satisfies MadePath]);
      await new Promise(() => {});
    };
    await assert.rejects(collect(store.add(items())), failure({ who: "nix", reason: "refused" }));
    assert.equal((await store.validPaths([info.path])).size, 0);
  });

  test("nobody, an ordinary user, builds what proves itself", async () => {
    using store = await as(65534, () => openDaemon({ socketPath: host.socketPath }));
    const drv = derivation({ name: "by-nobody", script: "echo made > $out" });
    await addAll(store as Store, [drv]);
    const events: StoreEvent[] = [];
    const outcomes = await store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, event => events.push(event));
    assert.equal(outcomes[0]?.status, "built");
    await assert.rejects(addAll(store, [unprovenPath("by-nobody", "1")]), failure({ message: /signature/ }));
  });
});

suite("a daemon that trusts us", { skip: noDaemon }, () => {
  test("takes unsigned paths only when asked to", async () => {
    const host = await startDaemon({ trusted: true });
    try {
      using store = await opened(host);
      const made = unprovenPath("unsigned", "1");
      await assert.rejects(addAll(store, [made]), failure({ message: /signature/ }));
      const adding = store.add(itemsOf([made]), { dontCheckSignatures: true });
      assert.deepEqual(await collect(adding), [made.info.path]);
    } finally {
      await host.close();
    }
  });
});

suite("a daemon that refuses this user", { skip: noDaemon }, () => {
  test("is told from one that is not there", async () => {
    const host = await startDaemon({ allowed: "nobody" });
    try {
      await assert.rejects(host.open(), failure({ code: "not-permitted", who: "nix", message: /allowed-users/ }));
      const store = await as(65534, () => openDaemon({ socketPath: host.socketPath }));
      store.close();
    } finally {
      await host.close();
    }
  });
});

type Disposing = Store & Disposable;

async function opened(host: DaemonHost): Promise<Disposing> {
  return disposing(await host.open());
}

function disposing(store: Store): Disposing {
  return Object.assign(store, { [Symbol.dispose]: () => store.close() });
}

/** Connects as another user: the kernel tells the daemon who connected. */
async function as(uid: number, open: () => Promise<Store>): Promise<Disposing> {
  process.seteuid?.(uid);
  try {
    return disposing(await open());
  } finally {
    process.seteuid?.(0);
  }
}

/** Collects garbage until a path is no more: a daemon's process may outlive its connection by a moment, and its roots with it. */
async function gone(host: DaemonHost, store: Store, path: StorePath): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const { status, output } = await host.run("nix-store", "--gc");
    assert.equal(status, 0, output);
    if ((await store.validPaths([path])).size === 0) return;
    await sleep(50);
  }
  assert.fail(`${path} is still valid`);
}
