import assert from "node:assert/strict";
import { test } from "node:test";
import { type Encoding, EncodingChoice, type Travelled } from "../../src/client/transfer/encoding.ts";
import { STRETCH } from "../../src/lib/stretches.ts";

const MIB = 1 << 20;
/** A stretch that the compressor made 3:1, and that nothing but the compressor held up. */
const PACKED: Travelled = { bytes: STRETCH, wireBytes: STRETCH / 4, time: 20, linkTime: 0, sourceTime: 0 };
const AS_IT_IS: Travelled = { ...PACKED, wireBytes: STRETCH };

/** What is chosen after each of these stretches. */
function chosen(choice: EncodingChoice, ...done: Travelled[]): Encoding[] {
  return done.map(stretch => choice.next(stretch, () => true));
}

function times(count: number, stretch: Travelled): Travelled[] {
  return Array.from({ length: count }, () => stretch);
}

/** After so many bytes over the wire the link is judged. */
function judging(): EncodingChoice {
  const choice = new EncodingChoice(true);
  const filling = { ...PACKED, wireBytes: 16 * MIB - 1, bytes: 64 * MIB };
  assert.deepEqual(chosen(choice, filling), ["zstd-1"]);
  return choice;
}

test("what does not shrink by a tenth goes as it is until what comes shrinks", () => {
  const choice = new EncodingChoice(true);
  assert.deepEqual(chosen(choice, { ...PACKED, wireBytes: STRETCH * 0.9 }), ["zstd-1"]);
  assert.deepEqual(chosen(choice, { ...PACKED, wireBytes: STRETCH * 0.9 + 1 }), ["incompressible"]);
  assert.equal(
    choice.next(AS_IT_IS, () => false),
    "incompressible",
  );
  assert.deepEqual(chosen(choice, AS_IT_IS), ["zstd-1"]);
});

test("the link is judged after 16 MiB over it, and not one byte before", () => {
  assert.deepEqual(chosen(judging(), { ...PACKED, wireBytes: 0 }), ["zstd-1"]);
  assert.deepEqual(chosen(judging(), { ...PACKED, wireBytes: 1 }), ["fast-link"]);
});

test("a link that holds up more than half of the time gets fewer bytes; one that no longer does, less work", () => {
  const choice = judging();
  assert.deepEqual(chosen(choice, { ...PACKED, linkTime: 10 }, { ...PACKED, linkTime: 11 }), ["zstd-1", "zstd-3"]);
  assert.deepEqual(chosen(choice, { ...PACKED, linkTime: 3 }, { ...PACKED, linkTime: 2 }), ["zstd-3", "zstd-1"]);
});

test("where the store is slower than the compressor, the compressor stays", () => {
  assert.deepEqual(chosen(judging(), { ...PACKED, sourceTime: 11 }), ["zstd-1"]);
  assert.deepEqual(chosen(judging(), { ...PACKED, sourceTime: 10 }), ["fast-link"]);
});

test("a link that is faster than the compressor is used as it is, for as long as it is", () => {
  const choice = judging();
  assert.deepEqual(chosen(choice, PACKED), ["fast-link"]);
  const faster = { ...AS_IT_IS, time: 18 };
  assert.deepEqual(
    chosen(choice, ...times(8, faster)),
    times(8, faster).map(() => "fast-link"),
  );
  const slower = { ...AS_IT_IS, time: 40 };
  assert.deepEqual(chosen(choice, slower), ["zstd-1"]);
});

test("a trial that is not a tenth faster ends after 4 stretches, and the next one is twice as far away each time", () => {
  const choice = judging();
  const trial = ["fast-link", "fast-link", "fast-link", "zstd-1"];
  assert.deepEqual(chosen(choice, PACKED), ["fast-link"]);
  // The first ones only fill what lies between.
  assert.deepEqual(
    chosen(choice, ...times(2, { ...AS_IT_IS, time: 1 }), ...times(2, { ...AS_IT_IS, time: 19 })),
    trial,
  );
  for (const rest of [16, 32]) {
    const after = chosen(choice, ...times(rest, PACKED));
    assert.deepEqual(after, [...after.slice(1).map(() => "zstd-1"), "fast-link"]);
    assert.deepEqual(chosen(choice, ...times(4, AS_IT_IS)), trial);
  }
});
