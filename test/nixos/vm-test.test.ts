import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { formatPublicKey, parseSecretKey } from "../../src/nix/signing-key.ts";
import { findProgram } from "../hosts/can.ts";
import { machine } from "./machine.ts";
import { evaluate, whyNoEvaluation } from "./nix.ts";

const skip = whyNoEvaluation();
const root = join(import.meta.dirname, "../..");
const vm = `(import ${join(root, "nixos/vm-test.nix")} ${join(root, "nixos")})`;

test("the two machines of the VM test evaluate, and the client takes what the builder signs", { skip }, () => {
  const builder = machine(`${vm}.nodes.builder`);
  const client = machine(`${vm}.nodes.client`);
  assert.deepEqual([builder.failed, client.failed, builder.warnings, client.warnings], [[], [], [], []]);
  const [allowed = ""] = client.etc["drv-thru/trusted-builders"]?.split("\n") ?? [];
  const secret =
    builder.tmpfiles
      .find(rule => rule.includes("signing-secret.key"))
      ?.split(" ")
      .at(-1) ?? "";
  assert.equal(formatPublicKey(parseSecretKey(secret).public), allowed);
  assert.ok(builder.units["drv-thru.service"] && client.units["drv-thru-import-helper.socket"]);
});

const noPython = findProgram("python3") === undefined ? "needs the program python3" : undefined;
test("the script of the VM test is Python", { skip: skip ?? noPython }, () => {
  const script = String(evaluate(`${vm}.testScript`));
  const { status, stderr } = spawnSync("python3", ["-c", "import ast, sys; ast.parse(sys.stdin.read())"], {
    input: script,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
});
