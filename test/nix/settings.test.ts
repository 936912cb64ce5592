import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FormatError } from "../../src/nix/format-error.ts";
import { MAX_SETTINGS, namesUser, parseSettings } from "../../src/nix/settings.ts";
import { golden } from "./golden.ts";

test("the settings that Nix prints are read", () => {
  const settings = parseSettings(golden("settings.json").toString());
  assert.equal(settings.system, "x86_64-linux");
  assert.deepEqual(settings.extraPlatforms, ["i686-linux"]);
  assert.deepEqual([...settings.systemFeatures].sort(), ["benchmark", "big-parallel", "kvm", "nixos-test"]);
  assert.deepEqual(
    settings.trustedPublicKeys.map(key => key.name),
    ["cache.nixos.org-1"],
  );
  assert.deepEqual(settings.trustedUsers, ["root", "@wheel"]);
  assert.deepEqual(settings.allowedUsers, ["*"]);
  assert.deepEqual(settings.substituters, []);
  assert.equal(settings.requireSignatures, true);
});

test("settings that a version lacks get Nix's defaults", () => {
  const settings = parseSettings("{}");
  assert.deepEqual(settings.trustedUsers, ["root"]);
  assert.deepEqual(settings.allowedUsers, ["*"]);
  assert.deepEqual([settings.system, settings.trustedPublicKeys, settings.requireSignatures], ["", [], true]);
});

test("how a Nix builds is read, whatever version prints it", () => {
  const { building } = parseSettings(golden("settings.json").toString());
  assert.deepEqual(Object.keys(building), ["maxJobs", "cores", "maxSilentSeconds", "timeoutSeconds"]);
  const said = { "max-jobs": { value: 0 }, cores: { value: "4" }, "max-silent-time": 60, timeout: { value: 3600 } };
  const read = parseSettings(JSON.stringify(said)).building;
  assert.deepEqual(read, { maxJobs: 0, cores: 4, maxSilentSeconds: 60, timeoutSeconds: 3600 });
  const defaults = { maxJobs: undefined, cores: 0, maxSilentSeconds: 0, timeoutSeconds: 0 };
  assert.deepEqual(parseSettings('{"max-jobs": {"value": "auto"}}').building, defaults);
  for (const odd of [-1, 1.5, "many", null, []]) {
    assert.throws(
      () => parseSettings(JSON.stringify({ "max-jobs": { value: odd } })),
      FormatError,
      JSON.stringify(odd),
    );
  }
});

test("lists as one string, values without a record, and unreadable keys are taken", () => {
  const key = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
  const settings = parseSettings(
    JSON.stringify({
      "trusted-users": { value: "root\n @wheel " },
      system: "aarch64-linux",
      "trusted-public-keys": { value: ["broken", key] },
      "require-sigs": { value: false },
    }),
  );
  assert.deepEqual(settings.trustedUsers, ["root", "@wheel"]);
  assert.equal(settings.system, "aarch64-linux");
  assert.deepEqual(
    settings.trustedPublicKeys.map(key => key.name),
    ["cache.nixos.org-1"],
  );
  assert.equal(settings.requireSignatures, false);
});

test("output that is not settings is refused", () => {
  for (const json of [
    "",
    "error: no such command",
    "[]",
    "null",
    '"x"',
    '{"system":{"value":5}}',
    '{"trusted-users":[1]}',
  ]) {
    assert.throws(() => parseSettings(json), FormatError);
  }
  assert.ok(parseSettings(`{}${" ".repeat(MAX_SETTINGS - 2)}`));
  assert.throws(() => parseSettings(`{}${" ".repeat(MAX_SETTINGS - 1)}`), /too long/);
});

test("a user is named by name, by group, or by the star", () => {
  assert.ok(namesUser(["root", "ann"], "ann", []));
  assert.ok(namesUser(["@wheel"], "ann", ["users", "wheel"]));
  assert.ok(namesUser(["*"], "ann", []));
  assert.ok(!namesUser(["root", "@wheel", "user", "wheel"], "ann", ["users", "root"]));
  assert.ok(!namesUser([], "ann", ["wheel"]));
});

test("any JSON ends in settings or a format error", () => {
  const names = fc.constantFrom("system", "trusted-users", "require-sigs", "trusted-public-keys");
  const value = fc.jsonValue();
  fc.assert(
    fc.property(fc.oneof(value, fc.dictionary(names, fc.oneof(value, fc.record({ value })))), input => {
      try {
        parseSettings(JSON.stringify(input));
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
  );
});

test("whether every build is in a sandbox is known: not where Nix may do without, nor where a derivation may opt out", () => {
  const read = (sandbox: unknown, fallback: unknown) =>
    parseSettings(JSON.stringify({ sandbox: { value: sandbox }, "sandbox-fallback": { value: fallback } })).sandbox;
  assert.deepEqual([read(true, false), read("true", "false")], ["all", "all"]);
  assert.equal(read(true, true), "where-possible");
  assert.deepEqual([read("relaxed", false), read(false, false)], ["not-all", "not-all"]);
  assert.equal(parseSettings("{}").sandbox, "where-possible");
});
