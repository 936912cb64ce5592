import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encode } from "../../../src/nix/daemon/encode.ts";
import { Op } from "../../../src/nix/daemon/protocol.ts";
import type { DerivedPath } from "../../../src/nix/store.ts";
import type { StorePath } from "../../../src/nix/store-path.ts";
import { addAll, failure, readAll } from "../../contract/store/tools.ts";
import { derivation, fileNar, textPath } from "../../fakes/make-path.ts";
import { errorReply, reply, scriptedStore } from "./scripted.ts";

const [a, b, c] = [textPath("a", "a"), textPath("b", "b"), textPath("c", "c")] as const;
const lost = failure({ reason: "connection-lost" });

/** An info as the daemon tells it. */
function told({ path = a.info.path as string, hash = a.info.narHash as string, refs = [] as string[] } = {}): Buffer {
  return reply(1, path, hash, refs, 1_700_000_000, a.info.narSize, 1, ["k:c2ln"], "text:sha256:x");
}

suite("path infos", () => {
  test("are read, with sorted references", async () => {
    const [low, high] = [a.info.path, b.info.path].sort() as [StorePath, StorePath];
    const { store, wire } = scriptedStore(34, told({ refs: [high, low] }), reply(0));
    const [info, none] = await store.pathInfos([c.info.path, b.info.path]);
    assert.deepEqual(info, {
      path: c.info.path,
      narHash: a.info.narHash,
      narSize: a.info.narSize,
      references: [low, high],
      signatures: ["k:c2ln"],
      ultimate: true,
      ca: "text:sha256:x",
      deriver: a.info.path,
    });
    assert.equal(none, undefined);
    assert.deepEqual(wire.heard(), encode(Op.queryPathInfo, c.info.path, Op.queryPathInfo, b.info.path));
  });

  const hostile: readonly [what: string, bytes: Buffer][] = [
    ["a deriver that is no store path", told({ path: "/etc/passwd" })],
    ["a reference that is no store path", told({ refs: ["/nix/store/../etc"] })],
    ["a hash that is none", told({ hash: "z".repeat(64) })],
    ["a million and one references", reply(1, "", a.info.narHash, 1_000_001)],
  ];
  for (const [what, bytes] of hostile) {
    test(`with ${what} end the conversation`, async () => {
      const { store, wire } = scriptedStore(37, bytes, reply(0));
      await assert.rejects(store.pathInfos([c.info.path]), lost);
      assert.ok(wire.destroyed);
      await assert.rejects(store.validPaths([c.info.path]), lost);
    });
  }

  test("after a refusal in the middle the next answers still fit their questions", async () => {
    const { store } = scriptedStore(37, reply(0), errorReply("not now"), reply(0), reply([c.info.path]));
    await assert.rejects(
      store.pathInfos([a.info.path, b.info.path, c.info.path]),
      failure({ reason: "refused", message: /not now/ }),
    );
    assert.deepEqual(await store.validPaths([c.info.path]), new Set([c.info.path]));
  });

  test("a path that is none is never sent", async () => {
    const { store, wire } = scriptedStore(37);
    await assert.rejects(store.validPaths(["!*" as StorePath]), failure({ who: "this machine" }));
    await assert.rejects(store.build([{ drv: "!*" as StorePath, outputs: ["out"] }], {}, () => {}));
    await assert.rejects(store.build([{ drv: a.info.path, outputs: ["out"] }], {}, () => {}));
    assert.equal(wire.heard().length, 0);
  });
});

suite("archives", () => {
  test("are read one after the other", async () => {
    const { store } = scriptedStore(34, reply(), Buffer.from(a.nar), reply(), Buffer.from(b.nar));
    assert.deepEqual(await readAll(store, [a.info, b.info]), [Buffer.from(a.nar), Buffer.from(b.nar)]);
  });

  test("of a path that vanished, which 2.8 tells inside the archive, are refused", async () => {
    const begun = fileNar("x").subarray(0, 24);
    const { store, wire } = scriptedStore(34, reply(), begun, errorReply("path is not valid".repeat(20)));
    await assert.rejects(readAll(store, [a.info]), lost);
    assert.ok(wire.destroyed);
  });

  test("that are left before their end end the conversation", async () => {
    const { store, wire } = scriptedStore(37, reply(), Buffer.from(a.nar), reply(), Buffer.from(b.nar));
    for await (const { nar } of store.nars([a.info, b.info])) {
      for await (const _ of nar) break;
      break;
    }
    assert.ok(wire.destroyed);
  });
});

suite("adding", () => {
  test("sends the archive in frames, never ultimate, never repairing, checked by default", async () => {
    const { store, wire } = scriptedStore(34, reply());
    await addAll(store, [a]);
    const { path, narHash, narSize, ca = "" } = a.info;
    const request = encode(Op.addToStoreNar, path, "", narHash, [], 0, narSize, 0, [], ca, 0, 0);
    assert.deepEqual(wire.heard(), Buffer.concat([request, encode(narSize), a.nar, encode(0)]));
  });

  test("a daemon that hangs up in the middle is lost", async () => {
    const { store } = scriptedStore(34, reply());
    await assert.rejects(addAll(store, [a, b]), lost);
  });
});

suite("build results", () => {
  const [x, y, z] = ["x", "y", "z"].map(name => derivation({ name, outputs: ["out", "dev"] }).info.path);
  const target = (drv: StorePath | undefined): DerivedPath => ({ drv: drv as StorePath, outputs: ["out", "dev"] });
  const built = (drv: StorePath | undefined, status: number, durations: boolean) => [
    `${drv}!dev,out`,
    status,
    "",
    1,
    0,
    5,
    9,
    ...(durations ? [0, 1, 300] : []),
    1,
    "sha256:00!out",
    "{}",
  ];

  for (const minor of [34, 37]) {
    test(`in another order and not complete find their targets (1.${minor})`, async () => {
      const results = reply(2, ...built(z, 0, minor === 37), ...built(x, 3, minor === 37));
      const { store } = scriptedStore(minor, reply(), results);
      assert.deepEqual(await store.build([target(x), target(y), target(z)], {}, () => {}), [
        { drv: x, status: "permanent-failure", message: "" },
        { drv: y, status: "misc-failure", message: "cancelled because another build failed" },
        { drv: z, status: "built", message: "" },
      ]);
    });
  }

  test("with a status that is none end the conversation", async () => {
    const { store } = scriptedStore(34, reply(), reply(1, ...built(x, 15, false)));
    await assert.rejects(
      store.build([target(x)], {}, () => {}),
      lost,
    );
  });

  test("more than were asked for end the conversation", async () => {
    const { store } = scriptedStore(34, reply(), reply(2, ...built(x, 0, false), ...built(y, 0, false)));
    await assert.rejects(
      store.build([target(x)], {}, () => {}),
      lost,
    );
  });

  test("the options travel as Nix's own client sends them", async () => {
    const { store, wire } = scriptedStore(34, reply(), reply(0));
    await store.build(
      [target(x)],
      {
        keepGoing: true,
        timeoutSeconds: 90,
        maxJobs: 3,
        cores: 2,
        maxSilentSeconds: 60,
        check: true,
        keepFailed: true,
      },
      () => {},
    );
    const options = encode(Op.setOptions, 1, 1, 0, 3, 3, 60, 1, 7, 0, 0, 2, 1, 1, "timeout", "90");
    assert.deepEqual(wire.heard(), Buffer.concat([options, encode(Op.buildPathsWithResults, [`${x}!dev,out`], 2)]));
  });
});

test("outputs of a derivation may have no path yet", async () => {
  const { store } = scriptedStore(34, reply(2, "dev", "", "out", a.info.path));
  const [outputs] = await store.outputPaths([derivation({ name: "ca" }).info.path]);
  assert.deepEqual(
    outputs,
    new Map([
      ["dev", undefined],
      ["out", a.info.path],
    ]),
  );
});
