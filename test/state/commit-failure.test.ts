import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNotWritten } from "../../src/state/commit-failure.ts";

function commitFailure(cause: Error): Error {
  return Object.assign(new Error("Commit failed"), { commitError: Promise.reject(cause) });
}

test("a transaction that did not fit on the disk fails with the code of a full disk", async () => {
  const cause = Object.assign(new Error("No space left on device"), { code: 28 });
  const error = await whyNotWritten(commitFailure(cause));
  assert.ok(error instanceof Error && "code" in error);
  assert.deepEqual([error.code, error.message, error.cause], ["ENOSPC", "No space left on device", cause]);
});

test("any other error stays what it is", async () => {
  const other = new Error("other");
  assert.equal(await whyNotWritten(other), other);
  const error = await whyNotWritten(commitFailure(new Error("odd")));
  assert.ok(error instanceof Error && !("code" in error) && error.message === "odd");
});
