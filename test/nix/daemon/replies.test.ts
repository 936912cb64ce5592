import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "../../../src/nix/daemon/encode.ts";
import { Tag } from "../../../src/nix/daemon/protocol.ts";
import { readReply } from "../../../src/nix/daemon/reply.ts";
import type { StoreEvent } from "../../../src/nix/store.ts";
import { failure } from "../../contract/store/tools.ts";
import { errorReply, readerOf, reply } from "./scripted.ts";

test("events of every kind come in order, with activities of 64 bits", async () => {
  const id = 2n ** 63n + 1n;
  const events: StoreEvent[] = [];
  const refused = await readReply(
    readerOf(
      encode(Tag.next, "copying\n"),
      encode(Tag.startActivity, id, 3, 105, "building", 2, 1, "/nix/store/x.drv", 0, 2n ** 64n - 1n, 7n),
      encode(Tag.result, id, 101, 1, 1, "a line"),
      encode(Tag.stopActivity, id),
      reply(),
    ),
    event => events.push(event),
  );
  assert.equal(refused, undefined);
  assert.deepEqual(events, [
    { kind: "message", text: "copying\n" },
    {
      kind: "start",
      activity: id,
      type: 105,
      text: "building",
      fields: ["/nix/store/x.drv", 2n ** 64n - 1n],
      parent: 7n,
    },
    { kind: "result", activity: id, type: 101, fields: ["a line"] },
    { kind: "stop", activity: id },
  ]);
});

test("an error is told without colours and other control characters", async () => {
  const refused = await readReply(
    readerOf(errorReply("\u001b[31;1merror:\u001b[0m no \u001b[1mway\u001b[0m\u0007\n  here")),
  );
  assert.equal(refused?.message, "no way\n  here");
  assert.equal(refused?.who, "nix");
  assert.equal(refused?.reason, "refused");
});

test("an error of a full disk has a reason of its own", async () => {
  const refused = await readReply(readerOf(errorReply("writing to file: No space left on device")));
  assert.equal(refused?.reason, "disk-full");
});

const broken: readonly [what: string, bytes: Buffer][] = [
  ["the obsolete request for data", encode(0x64617461, 10)],
  ["the obsolete export of data", encode(0x64617416, "x")],
  ["a tag that is none", encode(1)],
  ["a field of a type that is none", encode(Tag.result, 1, 101, 1, 2)],
  ["more fields than allowed", encode(Tag.result, 1, 101, 10_001)],
  ["a line of more bytes than allowed", encode(Tag.next, 64 * 1024 * 1024 + 1)],
  ["an error with a position", encode(Tag.error, "Error", 0, "Error", "x", 1)],
];
for (const [what, bytes] of broken) {
  test(`${what} ends the conversation`, async () => {
    await assert.rejects(readReply(readerOf(bytes)), failure({ reason: "connection-lost", message: /does not allow/ }));
  });
}
