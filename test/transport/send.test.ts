import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { encodeFrame, FrameDecoder, FrameType } from "../../src/transport/frames.ts";
import { sendCall } from "../../src/transport/send.ts";

const SIZES = [1, 70_000, 5, 32 * 1024 - 1, 32 * 1024, 32 * 1024 - 1, 32 * 1024 - 1, 60_000, 600_000, 3];

/** Sends chunks of these sizes over a half that takes its time for each write; `after` hears of each once the sender waits. */
async function sent(after: (decoder: FrameDecoder) => void): Promise<Buffer> {
  const decoder = new FrameDecoder();
  const data: Uint8Array[] = [];
  const half = {
    write: async (bytes: Uint8Array) => {
      for (const { type, payload } of decoder.feed(Uint8Array.from(bytes)))
        if (type === FrameType.data) data.push(payload);
      queueMicrotask(() => after(decoder));
      await setImmediate();
    },
    finish: async () => undefined,
    reset: () => undefined,
  };
  const head = encodeFrame(FrameType.head, new Uint8Array(20));
  await sendCall(half, head, chunks(), () => encodeFrame(FrameType.end, new Uint8Array(3)));
  assert.equal(decoder.midFrame, false);
  return Buffer.concat(data);
}

const all = SIZES.map(size => randomBytes(size));

/** The same memory is used for all. */
async function* chunks() {
  const memory = new Uint8Array(Math.max(...SIZES));
  for (const chunk of all) {
    memory.set(chunk);
    yield memory.subarray(0, chunk.length);
    memory.fill(0);
  }
}

test("nobody looks at a chunk any more once the next is asked for", async () => {
  assert.ok((await sent(() => undefined)).equals(Buffer.concat(all)));
});

test("what others write to the same half cannot come between a frame's header and its bytes", async () => {
  let writes = 0;
  await sent(decoder => {
    writes += 1;
    assert.equal(decoder.midFrame, false);
  });
  assert.ok(writes > 5);
});
