import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../src/lib/failure.ts";
import { formatBytes, formatDuration, formatLimit, parseDuration, parseSize } from "../../src/lib/units.ts";

test("durations are read in every form that a person writes", () => {
  const forms: [string, number][] = [
    ["90", 90],
    ["90s", 90],
    ["1 Second", 1],
    ["2secs", 2],
    ["30m", 1800],
    ["30 MIN", 1800],
    ["5 minutes", 300],
    ["2h", 7200],
    ["2 hrs", 7200],
    ["1hour", 3600],
    ["1d", 86_400],
    [" 7 days ", 604_800],
  ];
  for (const [text, seconds] of forms) assert.equal(parseDuration(text), seconds, text);
  const units = {
    s: ["sec", "secs", "second", "seconds"],
    m: ["min", "mins", "minute", "minutes"],
    h: ["hr", "hrs", "hour", "hours"],
  };
  for (const [letter, names] of Object.entries(units))
    for (const name of names) assert.equal(parseDuration(`3${name}`), parseDuration(`3${letter}`), name);
});

test("sizes are binary in every form", () => {
  const forms: [string, number][] = [
    ["512", 512],
    ["512B", 512],
    ["1k", 1024],
    ["1 KB", 1024],
    ["3MiB", 3 * 2 ** 20],
    ["20G", 20 * 2 ** 30],
    ["2 tib", 2 * 2 ** 40],
  ];
  for (const [text, bytes] of forms) assert.equal(parseSize(text), bytes, text);
  for (const [power, letter] of ["k", "m", "g", "t"].entries())
    for (const end of ["", "b", "ib"])
      assert.equal(parseSize(`3${letter}${end}`), 3 * 1024 ** (power + 1), letter + end);
});

test("a unit that is none, a fraction, a sign, zero or nothing is refused with the value", () => {
  for (const text of [
    "",
    "h",
    "1.5h",
    "-1s",
    "+1s",
    "1h30m",
    "5 parsecs",
    "1e3",
    "0x10",
    "constructor",
    "5 constructor",
    "1  h",
  ]) {
    assert.throws(() => parseDuration(text), isUsage(JSON.stringify(text)), text);
  }
  assert.throws(() => parseDuration("0h"), isUsage("a duration of 0"));
  assert.throws(() => parseSize("0"), isUsage("a size of 0"));
  assert.throws(() => parseSize("5 p"), isUsage('"5 p"'));
});

test("the largest whole number is read and one more is refused", () => {
  assert.equal(parseSize(String(Number.MAX_SAFE_INTEGER)), Number.MAX_SAFE_INTEGER);
  assert.equal(parseSize("8191t"), 8191 * 2 ** 40);
  for (const text of [String(2 ** 53), "8192t", "9".repeat(32)])
    assert.throws(() => parseSize(text), isUsage("too large"), text);
});

test("times are shown as status shows them", () => {
  const forms: [number, string][] = [
    [-3, "0s"],
    [59.9, "59s"],
    [65, "1m05s"],
    [3900, "1h05m"],
    [86_399, "23h59m"],
    [97_200, "1d03h"],
  ];
  for (const [seconds, text] of forms) assert.equal(formatDuration(seconds), text);
});

test("limits are shown exactly", () => {
  for (const text of ["45s", "30m", "2h", "1h30m", "1d", "1d1s"]) assert.equal(formatLimit(seconds(text)), text);
});

test("amounts are shown without ever reading 1024.0", () => {
  const forms: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1_048_524, "1023.9 KiB"],
    [1_048_575, "1.0 MiB"],
    [1.2 * 2 ** 30, "1.2 GiB"],
    [2 ** 50, "1024.0 TiB"],
  ];
  for (const [bytes, text] of forms) assert.equal(formatBytes(bytes), text);
});

function seconds(text: string): number {
  return [...text.matchAll(/[0-9]+[a-z]/g)].reduce((sum, [part]) => sum + parseDuration(part), 0);
}

function isUsage(part: string): (error: unknown) => boolean {
  return error => error instanceof Failure && error.code === "usage" && error.message.includes(part);
}
