import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader } from "../../../src/nix/daemon/bytes.ts";
import { encode } from "../../../src/nix/daemon/encode.ts";
import { failure } from "../../contract/store/tools.ts";
import { readerOf } from "./scripted.ts";

test("numbers, strings and lists have Nix's forms", () => {
  assert.equal(encode(1).toString("hex"), "0100000000000000");
  assert.equal(encode(true, 2n ** 64n - 1n).toString("hex"), "0100000000000000ffffffffffffffff");
  assert.equal(encode("abc").toString("hex"), `0300000000000000${"6162630000000000"}`);
  assert.equal(encode("").toString("hex"), "0000000000000000");
  assert.equal(encode("é".repeat(4)).length, 16);
  assert.equal(
    encode(["a", ""]).toString("hex"),
    `0200000000000000${"0100000000000000"}6100000000000000${"00".repeat(8)}`,
  );
});

test("what is encoded is read back, two bytes at a time", async () => {
  const reader = readerOf(encode(7, 2n ** 63n, "a\nb", "é".repeat(1000), "", false, 9));
  assert.equal(await reader.int(), 7);
  assert.equal(await reader.big(), 2n ** 63n);
  assert.equal(await reader.string(3), "a\nb");
  assert.equal(await reader.string(2000), "é".repeat(1000));
  assert.equal(await reader.string(0), "");
  assert.equal(await reader.bool(), false);
  assert.equal(await reader.bool(), true);
  await assert.rejects(
    reader.big(),
    failure({ who: "nix", reason: "connection-lost", message: /closed the connection/ }),
  );
});

test("the largest safe number is read, the next one is refused", async () => {
  assert.equal(await readerOf(encode(2n ** 53n - 1n)).int(), Number.MAX_SAFE_INTEGER);
  await assert.rejects(
    readerOf(encode(2n ** 53n)).int(),
    failure({ reason: "connection-lost", message: /9007199254740992/ }),
  );
});

test("a string as long as allowed is read, a longer one is refused before its bytes", async () => {
  assert.equal(await readerOf(encode("x".repeat(512))).string(512), "x".repeat(512));
  await assert.rejects(readerOf(encode(513)).string(512), failure({ message: /513, more than 512/ }));
});

test("padding that is not zero is refused", async () => {
  const bytes = encode("abc");
  bytes[15] = 1;
  await assert.rejects(readerOf(bytes).string(10), failure({ message: /padding/ }));
});

test("the source is paused at one mebibyte and resumed when half of it is read", async () => {
  const calls: string[] = [];
  const reader = new ByteReader({ pause: () => calls.push("pause"), resume: () => calls.push("resume") });
  for (let n = 0; n < 16; n++) reader.push(new Uint8Array(64 * 1024));
  assert.deepEqual(calls, ["pause"]);
  await reader.bytes(512 * 1024);
  assert.deepEqual(calls, ["pause"]);
  await reader.bytes(1);
  assert.deepEqual(calls, ["pause", "resume"]);
});

test("one value larger than what is held at once is read whole", async () => {
  const calls: string[] = [];
  const reader = new ByteReader({ pause: () => calls.push("pause"), resume: () => calls.push("resume") });
  const whole = reader.bytes(4 * 1024 * 1024);
  for (let n = 0; n < 64; n++) {
    reader.push(new Uint8Array(64 * 1024).fill(n));
    await new Promise(setImmediate);
  }
  const bytes = await whole;
  assert.equal(bytes.length, 4 * 1024 * 1024);
  assert.equal(bytes.at(-1), 63);
  assert.ok(calls.length % 2 === 0, "a source was left paused");
});
