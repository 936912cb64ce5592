import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type CacheFetchResponse, CacheFetchResponseSchema } from "../../gen/drvthru/v1/cache_pb.js";
import { PieceReader } from "../../src/transport/piece-reader.ts";
import { ChunkSchema } from "./gen/drvthru/transport/test/v1/test_pb.js";

const LARGE = 16 * 1024;
const MOST = 4 * 1024 * 1024;
const { parts } = CacheFetchResponseSchema.field;

function data(length: number) {
  return { part: { case: "data" as const, value: new Uint8Array(randomBytes(length)) } };
}
const begin = { part: { case: "begin" as const, value: { path: "/nix/store/x", offset: 7n } } };
const end = { part: { case: "end" as const, value: {} } };

function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5, flags);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function encoded(init: MessageInitShape<typeof CacheFetchResponseSchema>): Uint8Array {
  return toBinary(CacheFetchResponseSchema, create(CacheFetchResponseSchema, init));
}

async function* cut(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What Connect gets of these bytes. */
async function left(reader: PieceReader, bytes: Uint8Array, size: number): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(reader.body(cut(bytes, size))));
}

/** The parts of messages, with bytes that follow each other as one. */
async function together(messages: AsyncIterable<CacheFetchResponse>) {
  const found: unknown[] = [];
  for await (const message of messages) {
    for (const { part } of message.parts) {
      const last = found.at(-1);
      if (part.case !== "data") found.push(part.case);
      else if (Buffer.isBuffer(last)) found.push(Buffer.concat([found.pop() as Buffer, part.value]));
      else found.push(Buffer.from(part.value));
    }
    found.push("next");
  }
  return found;
}

test("pieces come back in their places, wherever the bytes are cut, and Connect gets none that is large", async () => {
  const lists = [
    [begin, data(LARGE)],
    [data(40_000)],
    [],
    [data(5)],
    [data(LARGE - 1), end, begin, data(LARGE + 1), data(7), data(17_000), end],
    [end, data(20_000), end, begin, data(LARGE), end],
  ].map(list => ({ parts: list }));
  const bytes = Buffer.concat([...lists.map(list => envelope(encoded(list))), envelope(Buffer.from("{}"), 2)]);
  const messages = lists.map(list => create(CacheFetchResponseSchema, list));
  const large = ({ part }: { part: { case?: string | undefined; value?: unknown } }) =>
    part.case === "data" && part.value instanceof Uint8Array && part.value.length >= LARGE;
  const small = messages.map(message => ({ ...message, parts: message.parts.filter(part => !large(part)) }));
  const expected = Buffer.concat([...small.map(list => envelope(encoded(list))), envelope(Buffer.from("{}"), 2)]);
  for (const size of [1, 2, 3, 7, 100, 5000, 65_536, bytes.length]) {
    const reader = new PieceReader(parts);
    assert.ok((await left(reader, bytes, size)).equals(expected), `in pieces of ${size}`);
    const from = async function* (some: CacheFetchResponse[]) {
      yield* some;
    };
    assert.deepEqual(await together(reader.messages(from(small))), await together(from(messages)));
  }
});

test("attack: what has another layout goes to Connect as it came", async () => {
  const value = randomBytes(LARGE + 100);
  const [, , , ...piece] = encoded({ parts: [data(LARGE)] });
  const strange: Record<string, Uint8Array> = {
    "another field": toBinary(ChunkSchema, create(ChunkSchema, { data: value })).with(0, 0x1a),
    "an element longer than its message": Buffer.concat([Buffer.of(0x0a, 0xff, 0xff, 0x7f), Buffer.from(piece), value]),
    "a field longer than its element": Buffer.concat([
      Buffer.of(0x0a, 0x85, 0x80, 0x01, 0x12, 0xff, 0xff, 0x7f),
      value,
    ]),
    "numbers without an end": Buffer.alloc(LARGE + 9, 0xff),
    nothing: Buffer.alloc(LARGE),
  };
  for (const [what, message] of Object.entries(strange)) {
    for (const size of [1, 1000, 1_000_000]) {
      const reader = new PieceReader(parts);
      assert.ok((await left(reader, envelope(message), size)).equals(envelope(message)), what);
    }
  }
});

test("attack: a message past the limit, and one with flags, are Connect's to refuse", async () => {
  const most = encoded({ parts: [data(MOST - 10)] });
  assert.equal(most.length, MOST);
  const more = encoded({ parts: [data(MOST - 9)] });
  assert.equal((await left(new PieceReader(parts), envelope(most), MOST)).length, 5);
  assert.equal((await left(new PieceReader(parts), envelope(more), MOST)).length, 5 + MOST + 1);
  assert.equal((await left(new PieceReader(parts), envelope(most, 1), MOST)).length, 5 + MOST);
});

test("a field that is no list of pieces is refused", () => {
  assert.throws(() => new PieceReader(ChunkSchema.field.data), TypeError);
});
