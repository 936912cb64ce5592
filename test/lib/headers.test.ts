import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PlainHeaders } from "../../src/lib/headers.ts";

const name = fc.oneof(
  fc.constantFrom("a", "A", "b", "content-type", "Content-Type", "x-Bin", "set-cookie", "Set-Cookie", "__proto__"),
  fc.constantFrom("constructor", "", " ", "a b", "a:", "ü", "a\n"),
  fc.string({ maxLength: 3 }),
);
const value = fc.oneof(
  fc.constantFrom("", "1", " 2\t", "a, b", "\r\n3\n", "a\nb", "a\rb", "\0", "ü", "\u0100", "😀", "\x7f"),
  fc.string({ maxLength: 4, unit: "binary" }),
);
const step = fc.oneof(
  fc.tuple(fc.constantFrom("append", "set"), name, value),
  fc.tuple(fc.constantFrom("get", "has", "delete"), name, fc.constant("")),
);

/** What a step says, or that it throws. */
function outcome(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error instanceof TypeError ? "TypeError" : error;
  }
}

function all(headers: Headers): unknown {
  const each: unknown[] = [];
  headers.forEach((value, name) => void each.push([name, value]));
  return [
    [...headers],
    [...headers.keys()],
    [...headers.values()],
    [...headers.entries()],
    headers.getSetCookie(),
    each,
  ];
}

test("headers do what Node's own do, whatever is done to them", () => {
  const property = fc.property(fc.array(step, { maxLength: 12 }), steps => {
    const [ours, theirs] = [new PlainHeaders(), new Headers()];
    for (const [method, name, value] of steps) {
      const take = (headers: Headers) => () =>
        method === "append" || method === "set"
          ? headers[method](name, value)
          : headers[method as "get" | "has" | "delete"](name);
      assert.deepEqual(outcome(take(ours)), outcome(take(theirs)));
      assert.deepEqual(all(ours), all(theirs));
    }
  });
  fc.assert(property, { numRuns: 2000 });
});

test("headers are made of all that Node's own are made of", () => {
  const pairs: [string, string][] = [
    ["b", "1"],
    ["a", "2"],
    ["B", "3"],
    ["set-cookie", "x"],
    ["set-cookie", "y"],
  ];
  const made = new Headers(pairs);
  for (const init of [pairs, made, new PlainHeaders(made), { b: "1", a: "2" }, undefined]) {
    assert.deepEqual(all(new PlainHeaders(init)), all(new Headers(init)));
  }
  for (const bad of [[["a"]], [["a", "b", "c"]], [["a b", "c"]], { "a b": "c" }]) {
    assert.throws(() => new PlainHeaders(bad as [string, string][]), TypeError);
    assert.throws(() => new Headers(bad as [string, string][]), TypeError);
  }
});
