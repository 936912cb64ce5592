import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  concat,
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameError,
  FrameType,
  frameLengths,
} from "../../src/transport/frames.ts";

const types = Object.values(FrameType);

/** Joins the pieces of data frames, whose borders the decoder does not keep. */
function joined(frames: readonly Frame[]): [number, string][] {
  const list: [number, Uint8Array[]][] = [];
  for (const { type, payload } of frames) {
    const last = list.at(-1);
    if (type === FrameType.data && last?.[0] === type) last[1].push(payload);
    else list.push([type, [payload]]);
  }
  return list.map(([type, payloads]) => [type, Buffer.from(concat(payloads)).toString("hex")]);
}

function headerOf(type: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(type);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

test("a frame is a byte of type, four of length and its payload", () => {
  assert.deepEqual(encodeFrame(FrameType.head, Uint8Array.of(9, 8)), Uint8Array.of(1, 0, 0, 0, 2, 9, 8));
});

test("frames survive any fragmentation", () => {
  const frame = fc.oneof(
    fc.record({
      type: fc.constantFrom(FrameType.head, FrameType.data, FrameType.control),
      payload: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    }),
    fc.record({ type: fc.constant(FrameType.end), payload: fc.uint8Array({ maxLength: 300 }) }),
    fc.constant({ type: FrameType.idle, payload: new Uint8Array() }),
  );
  const property = fc.property(
    fc.array(frame, { maxLength: 6 }),
    fc.array(fc.integer({ min: 1, max: 40 })),
    (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ type, payload }) => encodeFrame(type, payload)));
      const decoder = new FrameDecoder();
      const got: Frame[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = cuts[turn] ?? 7;
        got.push(...decoder.feed(bytes.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(joined(got), joined(frames));
      assert.equal(decoder.midFrame, false);
    },
  );
  fc.assert(property);
});

for (const type of types) {
  const [least, most] = frameLengths[type];
  test(`a frame of type ${type} with ${most} bytes passes, with one more it is refused before its bytes come`, () => {
    const frame = encodeFrame(type, new Uint8Array(most));
    assert.equal(joined(new FrameDecoder().feed(frame)).length, 1);
    assert.throws(() => new FrameDecoder().feed(headerOf(type, most + 1)), FrameError);
    assert.throws(() => encodeFrame(type, new Uint8Array(most + 1)), FrameError);
  });
  test(`a frame of type ${type} with ${least} bytes passes, with one fewer it is refused`, () => {
    assert.equal(joined(new FrameDecoder().feed(encodeFrame(type, new Uint8Array(least)))).length, 1);
    if (least > 0) assert.throws(() => new FrameDecoder().feed(headerOf(type, least - 1)), FrameError);
  });
}

test("a frame of a type that does not exist is refused", () => {
  for (const type of [0, 6, 255]) assert.throws(() => new FrameDecoder().feed(headerOf(type, 1)), FrameError);
});

test("a decoder knows whether it stands inside a frame", () => {
  const decoder = new FrameDecoder();
  decoder.feed(headerOf(FrameType.data, 3));
  assert.equal(decoder.midFrame, true);
  decoder.feed(Uint8Array.of(1, 2, 3));
  assert.equal(decoder.midFrame, false);
});
