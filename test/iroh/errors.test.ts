import assert from "node:assert/strict";
import { test } from "node:test";
import { connectProblem, sessionEnd, streamError } from "../../src/iroh/number0/errors.ts";
import { StreamError } from "../../src/lib/stream.ts";

const streamTexts: readonly [text: string, kind: string, code: number][] = [
  ["Reset(5)", "reset", 5],
  ["Stopped(7)", "stopped", 7],
  ["Reset(4294967296)\n   0: backtrace Stopped(3)", "reset", 4294967296],
  ["ConnectionLost(LocallyClosed)", "closed", 0],
  ["LocallyClosed", "closed", 0],
  ["ClosedStream { _private: () }", "closed", 0],
  ["ConnectionLost(TimedOut)", "lost", 0],
  ["ConnectionLost(Reset)", "lost", 0],
  ['ApplicationClosed(ApplicationClose { error_code: 9, reason: b"Reset(5)" })', "lost", 0],
  ['ApplicationClosed(ApplicationClose { error_code: 9, reason: b"LocallyClosed" })', "lost", 0],
  ["something new", "lost", 0],
];
for (const [text, kind, code] of streamTexts) {
  test(`the binding's ${JSON.stringify(text)} is ${kind}, code ${code}`, () => {
    const error = streamError(new Error(text));
    assert.ok(error instanceof StreamError);
    assert.deepEqual([error.kind, error.code], [kind, code]);
  });
}

const endTexts: readonly [text: string, kind: string, code: number, reason: string][] = [
  ["closed", "local", 0, ""],
  ["closed by peer: 4", "peer", 4, ""],
  ["closed by peer: bye (code 9)", "peer", 9, "bye"],
  ["closed by peer: a (code 3)\nb (code 9)", "peer", 9, "a (code 3)\nb"],
  ["timed out", "lost", 0, "timed out"],
  ["reset by peer", "lost", 0, "reset by peer"],
];
for (const [text, kind, code, reason] of endTexts) {
  test(`a connection that ended with ${JSON.stringify(text)} ended by ${kind}`, () => {
    assert.deepEqual(sessionEnd(text), { kind, code, reason });
  });
}

test("why a connect failed is found below the first line", () => {
  assert.equal(connectProblem(new Error("ConnectError\nCaused by:\n timed out")), "no-answer");
  assert.equal(
    connectProblem(new Error("ConnectError\nCaused by:\n  error 120: no known protocol")),
    "no-common-protocol",
  );
});
