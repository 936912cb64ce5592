import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { formatPublicKey, generateSecretKey, signPath } from "../../../src/nix/signing-key.ts";
import { addAll, collect, failure } from "../../contract/store/tools.ts";
import { derivation, itemsOf, unprovenPath } from "../../fakes/make-path.ts";
import { type DaemonHost, noDaemon, noOthers, openAs, startDaemon } from "./host.ts";

const key = generateSecretKey("test-1");

suite("a daemon that does not trust us", { skip: noDaemon }, () => {
  let daemon: DaemonHost;
  before(async () => {
    daemon = await startDaemon({ "trusted-public-keys": formatPublicKey(key.public) });
  });
  after(() => daemon?.close());

  test("tells its version", async () => {
    using store = await daemon.open();
    assert.match(store.nixVersion, /^2\.\d+/);
    assert.notEqual(store.trust, "trusted");
  });

  test("takes what a trusted key has signed, and keeps the signature, but not that it is ultimate", async () => {
    using store = await daemon.open();
    const { info, nar } = unprovenPath("signed", "1");
    const signature = signPath(info, key);
    await addAll(store, [{ nar, info: { ...info, signatures: [signature], ultimate: true } }]);
    const [found] = await store.pathInfos([info.path]);
    assert.deepEqual(found?.signatures, [signature]);
    assert.equal(found?.ultimate, false);
  });

  test("refuses what another key has signed, and unsigned paths also when asked not to check", async () => {
    using store = await daemon.open();
    const { info, nar } = unprovenPath("signed", "2");
    const signatures = [signPath(info, generateSecretKey("test-1"))];
    await assert.rejects(addAll(store, [{ nar, info: { ...info, signatures } }]), failure({ reason: "refused" }));
    const adding = store.add(itemsOf([{ info, nar }]), { dontCheckSignatures: true });
    await assert.rejects(collect(adding), failure({ who: "nix", message: /signature/ }));
  });

  test("nobody, an ordinary user, builds what proves itself", { skip: noOthers }, async () => {
    using store = await openAs(65534, daemon.socketPath);
    const drv = derivation({ name: "by-nobody", script: "echo made > $out" });
    await addAll(store, [drv]);
    const outcomes = await store.build([{ drv: drv.info.path, outputs: ["out"] }], {}, () => {});
    assert.equal(outcomes[0]?.status, "built");
    await assert.rejects(addAll(store, [unprovenPath("by-nobody", "1")]), failure({ message: /signature/ }));
  });
});

test("a daemon that trusts us takes unsigned paths only when asked to", { skip: noOthers }, async () => {
  const daemon = await startDaemon({ "trusted-users": "root" });
  try {
    using store = await daemon.open();
    const made = unprovenPath("unsigned", "1");
    await assert.rejects(addAll(store, [made]), failure({ message: /signature/ }));
    const adding = store.add(itemsOf([made]), { dontCheckSignatures: true });
    assert.deepEqual(await collect(adding), [made.info.path]);
  } finally {
    await daemon.close();
  }
});

test("a daemon that refuses this user is told from one that is not there", { skip: noOthers }, async () => {
  const daemon = await startDaemon({ "allowed-users": "nobody" });
  try {
    await assert.rejects(daemon.open(), failure({ code: "not-permitted", who: "nix", message: /allowed-users/ }));
    using store = await openAs(65534, daemon.socketPath);
    assert.notEqual(store.nixVersion, "");
  } finally {
    await daemon.close();
  }
});
