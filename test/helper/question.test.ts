import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAllowedKeys } from "../../src/helper/keys.ts";
import { checkQuestion, Refused } from "../../src/helper/question.ts";
import { HELPER_LIMITS } from "../../src/lib/helper-protocol.ts";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";
import { textPath, unprovenPath } from "../fakes/make-path.ts";

const key = formatPublicKey(generateSecretKey("builder-1").public);
const allowed = parseAllowedKeys(`${key}\n`, "keys");
const { path } = unprovenPath("hello", "1").info;
const good = { ask: "import", key, url: "http://127.0.0.1:8080/c2VjcmV0", paths: [path] };

function refusal(question: unknown): Refused | undefined {
  try {
    checkQuestion(typeof question === "string" ? question : JSON.stringify(question), allowed);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    return error;
  }
}

function refuses(question: unknown, reason: string, words: RegExp): void {
  const refused = refusal(question);
  assert.equal(refused?.reason, reason, refused?.message ?? "it was taken");
  assert.match(refused.message, words);
}

for (const url of [
  "http://127.0.0.1:1",
  "http://127.0.0.1:65535/",
  "http://127.0.0.1:8080/c2Vj_-A",
  "http://[::1]:8080/secret",
]) {
  test(`the helper takes ${url}`, () => assert.equal(refusal({ ...good, url }), undefined));
}

for (const [attack, url] of [
  ["another host", "http://192.0.2.1:8080/x"],
  ["another address of the loopback", "http://127.0.0.2:8080/x"],
  ["an address that begins like the loopback", "http://127.0.0.1.example.org:8080/x"],
  ["a host by name", "http://localhost:8080/x"],
  ["https", "https://127.0.0.1:8080/x"],
  ["a file:// URL", "file:///etc/shadow"],
  ["a store URL of Nix", "unix:///nix/var/nix/daemon-socket/socket"],
  ["no scheme", "/etc/shadow"],
  ["user info", "http://user:secret@127.0.0.1:8080/x"],
  ["user info that looks like the host", "http://127.0.0.1:80@192.0.2.1:8080/x"],
  ["a query", "http://127.0.0.1:8080/x?compression=none"],
  ["a fragment", "http://127.0.0.1:8080/x#y"],
  ["no port", "http://127.0.0.1/x"],
  ["port 0", "http://127.0.0.1:0/x"],
  ["a port that is too high", "http://127.0.0.1:65536/x"],
  ["a path that climbs", "http://127.0.0.1:8080/../x"],
  ["an escaped path", "http://127.0.0.1:8080/%2e%2e"],
  ["white space", "http://127.0.0.1:8080/x --option"],
  ["a line feed", "http://127.0.0.1:8080/x\n"],
  ["upper case", "HTTP://127.0.0.1:8080/x"],
  ["an option", "--option"],
  ["a number", 8080],
  ["nothing", undefined],
] as const) {
  test(`attack: the helper is given a cache URL with ${attack}`, () =>
    refuses({ ...good, url }, "malformed", /url|http:/));
}

for (const [attack, smuggled] of [
  ["an option", "--option"],
  ["an option with a value", "--option=substituters"],
  ["a path outside the store", "/etc/shadow"],
  ["a path that climbs out of the store", `${path}/../../../etc/shadow`],
  ["a file inside of a store path", `${path}/bin/sh`],
  ["a flake", "nixpkgs#hello"],
  ["an output selection", `${path}^out`],
  ["a line feed", `${path}\n`],
  ["nothing", ""],
  ["a number", 7],
] as const) {
  test(`attack: ${attack} is smuggled in as a store path`, () =>
    refuses({ ...good, paths: [path, smuggled] }, "malformed", /is not a store path/));
}

test("attack: a derivation is named, which Nix would build", () => {
  const { path } = textPath("x.drv", "x").info;
  refuses({ ...good, paths: [path] }, "malformed", /is a derivation/);
});

test("attack: a path list too long by one", () => {
  const paths = (count: number) => Array.from({ length: count }, () => path);
  assert.equal(refusal({ ...good, paths: paths(HELPER_LIMITS.paths) }), undefined);
  refuses({ ...good, paths: paths(HELPER_LIMITS.paths + 1) }, "malformed", /8193 paths, at most 8192/);
});

test("an empty list of paths is refused, and so is none", () => {
  refuses({ ...good, paths: [] }, "malformed", /names no paths/);
  refuses({ ...good, paths: undefined }, "malformed", /names no paths/);
  refuses({ ...good, paths: { length: 1, 0: path } }, "malformed", /names no paths/);
});

test("attack: a key that shares the name of an allowed one", () => {
  const other = formatPublicKey(generateSecretKey("builder-1").public);
  refuses({ ...good, key: other }, "key-not-allowed", /does not take the key builder-1:/);
  refuses({ ask: "key", key: other }, "key-not-allowed", /does not take the key builder-1:/);
  assert.equal(refusal({ ask: "key", key }), undefined);
});

for (const [what, question] of [
  ["no JSON", "import everything\n"],
  ["no object", [good]],
  ["null", "null"],
  ["another question", { ...good, ask: "exec" }],
  ["a field that nobody knows", { ...good, options: ["--no-check-sigs"] }],
  ["a key that is none", { ...good, key: "builder-1" }],
  ["two keys", { ...good, key: `${key} ${key}` }],
  ["a path where a key is asked about", { ask: "key", key, paths: [path] }],
] as const) {
  test(`attack: the helper is asked ${what}`, () => assert.equal(refusal(question)?.reason, "malformed"));
}

test("the helper imports each path once", () => {
  const question = checkQuestion(JSON.stringify({ ...good, paths: [path, path] }), allowed);
  assert.deepEqual("paths" in question && question.paths, [path]);
});

test("the file of allowed keys has one a line, and may have blank lines and comments", () => {
  const second = formatPublicKey(generateSecretKey("builder-2").public);
  const keys = parseAllowedKeys(`# ours\n\n  ${key}  \r\n\t\n#${second}\n${second}`, "keys");
  assert.deepEqual([...keys.keys()], [key, second]);
  assert.equal(parseAllowedKeys("", "keys").size, 0);
});

test("a bad line in the file of allowed keys is told by its number", () => {
  assert.throws(() => parseAllowedKeys(`# ours\n${key}\nbuilder-2\n`, "/etc/keys"), {
    code: "usage",
    message: /^\/etc\/keys, line 3: "builder-2" is not a Nix public signing key/,
  });
  assert.throws(() => parseAllowedKeys(`${key} # ours\n`, "keys"), /line 1/);
});
