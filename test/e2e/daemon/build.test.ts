import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { addAll, failure } from "../../contract/store/tools.ts";
import { derivation } from "../../fakes/make-path.ts";
import { until } from "../../until.ts";
import { type DaemonHost, noDaemon, processesWith, startDaemon } from "./host.ts";

suite("a daemon that builds", { skip: noDaemon }, () => {
  let daemon: DaemonHost;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.close());

  test("shows a build's lines before the build has ended", async () => {
    using store = await daemon.open();
    const drv = derivation({
      name: "two-lines",
      script: "echo one; while ! [ -e $flag ]; do /bin/sleep 0.02; done; echo two > $out",
      env: { flag: "/tmp/flag" },
    });
    await addAll(store, [drv]);
    const lines: unknown[] = [];
    const [outcome] = await store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, event => {
      if (event.kind !== "result" || event.type !== 101) return;
      lines.push(event.fields[0]);
      void daemon.host.run(["touch", "/tmp/flag"], { user: "root" });
    });
    assert.equal(outcome?.status, "built");
    assert.deepEqual(lines, ["one"]);
  });

  test("ends a derivation that takes too long", async () => {
    using store = await daemon.open();
    const drv = derivation({ name: "too-long", script: "while :; do /bin/sleep 0.1; done" });
    await addAll(store, [drv]);
    const [outcome] = await store.build([{ drv: drv.info.path, outputs: ["out"] }], { timeoutSeconds: 1 }, () => {});
    assert.equal(outcome?.status, "timed-out");
  });

  test("finds that a build is not deterministic when asked to build it again", async () => {
    using store = await daemon.open();
    const drv = derivation({ name: "random", script: "read x < /proc/sys/kernel/random/uuid; echo $x > $out" });
    await addAll(store, [drv]);
    const targets = [{ drv: drv.info.path, outputs: ["out"] }];
    assert.equal((await store.build(targets, {}, () => {}))[0]?.status, "built");
    assert.equal((await store.build(targets, { check: true }, () => {}))[0]?.status, "not-deterministic");
  });

  test("kills a build's processes when the connection is closed", async () => {
    using store = await daemon.open();
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
    await until("the builder's processes are gone", () => processesWith(marker).length === 0);
  });
});
