import assert from "node:assert/strict";
import { test } from "node:test";
import { PIECE, Pieces } from "../../../src/server/cache/pieces.ts";
import { Recent } from "../../../src/server/cache/recent.ts";

const MIB = 1024 * 1024;

test("memory that was given back is used again, once, whatever part of it came back and however often", () => {
  const own = new Pieces();
  const piece = own.take();
  assert.equal(piece.length, PIECE);
  own.give(piece.subarray(5, 10));
  own.give(piece);
  const again = [own.take(), own.take()];
  assert.deepEqual(
    again.map(({ buffer, length }) => [buffer === piece.buffer, length]),
    [
      [true, PIECE],
      [false, PIECE],
    ],
  );
});

test("memory that did not come from here is never used", () => {
  const own = new Pieces();
  const foreign = new Uint8Array(PIECE);
  own.give(foreign);
  assert.notEqual(own.take().buffer, foreign.buffer);
});

test("no more memory is kept than for 16 pieces", () => {
  const own = new Pieces();
  const taken = Array.from({ length: 17 }, () => own.take());
  for (const piece of taken) own.give(piece);
  const again = new Set(Array.from({ length: 17 }, () => own.take().buffer));
  assert.equal(taken.filter(({ buffer }) => again.has(buffer)).length, 16);
});

test("a piece of a growing file is not used again while somebody reads it, however far the file grows", () => {
  const own = new Pieces();
  const recent = new Recent(own);
  const piece = own.take().fill(7);
  recent.add(0, piece);
  const [one, other] = [recent.lend(10, 5), recent.lend(PIECE - 3, 100)];
  assert.deepEqual([one?.bytes.length, other?.bytes.length], [5, 3]);
  const used = () => {
    const next = own.take();
    own.give(next);
    return next.buffer === piece.buffer;
  };
  for (let at = PIECE; at <= 2 * MIB; at += PIECE) recent.add(at, own.take());
  assert.equal(recent.lend(0, 5), undefined);
  assert.equal(used(), false);
  one?.done();
  one?.done();
  assert.equal(used(), false);
  assert.ok(other?.bytes.every(byte => byte === 7));
  other?.done();
  assert.equal(used(), true);
});
