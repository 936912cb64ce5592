import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluationArguments } from "../../src/client/plan/arguments.ts";
import { chooseStore } from "../../src/client/plan/store-choice.ts";

for (const [text, uri, daemon] of [
  ["./mine", "/home/user/mine", { ownStore: "/home/user/mine" }],
  ["/srv/store", "/srv/store", { ownStore: "/srv/store" }],
  ["a/b", "/home/user/a/b", { ownStore: "/home/user/a/b" }],
  ["..", "/home", { ownStore: "/home" }],
  ["local", "local", { ownStore: "local" }],
  ["local?root=/srv/store", "local?root=/srv/store", { ownStore: "local?root=/srv/store" }],
  ["daemon", "daemon", {}],
  ["unix:///run/nix.sock", "unix:///run/nix.sock", { socketPath: "/run/nix.sock" }],
] as const) {
  test(`--store ${text} is a store on this machine`, () => {
    assert.deepEqual(chooseStore(text, "/home/user"), { uri, daemon });
  });
}

test("without --store, and with auto, it is the machine's", () => {
  assert.equal(chooseStore(undefined, "/"), undefined);
  assert.equal(chooseStore("auto", "/"), undefined);
});

for (const [text, words] of [
  ["ssh-ng://host", /is not on this machine/],
  ["https://cache.example.org", /is not on this machine/],
  ["file:///srv/cache", /is not on this machine/],
  ["mine", /a folder is written \.\/mine/],
  ["./mine?root=/", /question mark/],
  ["", /names no store/],
] as const) {
  test(`--store ${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => chooseStore(text, "/"), { code: "usage", message: words });
  });
}

test("the evaluation is in the store that was chosen", () => {
  const request = { store: "./mine", cwd: "/home/user" };
  const args = evaluationArguments(request, [], false);
  assert.equal(args[args.indexOf("--store") + 1], "/home/user/mine");
  assert.ok(!evaluationArguments({}, [], false).includes("--store"));
});
