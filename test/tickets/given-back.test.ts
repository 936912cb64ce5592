import assert from "node:assert/strict";
import { test } from "node:test";
import { addGivenBack, GIVEN_BACK_TIME, givenBackBytes } from "../../src/tickets/given-back.ts";

const NOON = 1_700_000_000_000;

test("what was given back adds up, and is forgotten a day after the first of it", () => {
  const one = addGivenBack(undefined, 10, NOON);
  const two = addGivenBack(one, 5, NOON + 1000);
  assert.deepEqual(two, { since: NOON, bytes: 15 });
  assert.equal(givenBackBytes(two, NOON + GIVEN_BACK_TIME - 1), 15);
  assert.equal(givenBackBytes(two, NOON + GIVEN_BACK_TIME), 0);
  assert.deepEqual(addGivenBack(two, 7, NOON + GIVEN_BACK_TIME), { since: NOON + GIVEN_BACK_TIME, bytes: 7 });
});

test("a clock that was put back keeps nobody out for longer than a day", () => {
  const kept = addGivenBack(undefined, 10, NOON);
  assert.equal(givenBackBytes(kept, NOON - 1), 0);
  assert.deepEqual(addGivenBack(kept, 3, NOON - 1), { since: NOON - 1, bytes: 3 });
});

test("nothing was given back by whoever is not known", () => {
  assert.equal(givenBackBytes(undefined, NOON), 0);
});
