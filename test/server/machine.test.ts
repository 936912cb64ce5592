import assert from "node:assert/strict";
import { test } from "node:test";
import { askMachine } from "../../src/server/machine.ts";
import { FakeNix } from "../fakes/nix.ts";
import { findProgram } from "../hosts/can.ts";

const skip = findProgram("nix") === undefined ? "needs the program nix" : undefined;

test("a builder counts the machines to which its Nix hands work among what it can build", { skip }, async t => {
  const before = process.env["NIX_CONFIG"];
  t.after(() => {
    if (before === undefined) delete process.env["NIX_CONFIG"];
    else process.env["NIX_CONFIG"] = before;
  });
  process.env["NIX_CONFIG"] =
    "builders = ssh://far riscv64-linux - 1 1 quantum\nextra-platforms = i686-linux\nsystem-features = big-parallel homely";
  const { systems, features } = await askMachine(new FakeNix().open);
  for (const system of ["riscv64-linux", "i686-linux", "builtin"]) assert.ok(systems.includes(system), system);
  assert.deepEqual(features, ["big-parallel", "homely", "quantum"]);
});
