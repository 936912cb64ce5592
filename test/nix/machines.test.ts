import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMachines } from "../../src/nix/machines.ts";

const none = () => undefined;

test("systems and features of every machine count, mandatory ones too", () => {
  const text = "ssh://a x86_64-linux,i686-linux - 4 1 kvm,big-parallel benchmark\nssh-ng://b aarch64-darwin /key";
  assert.deepEqual(parseMachines(text, "x86_64-linux", none), {
    systems: ["x86_64-linux", "i686-linux", "aarch64-darwin"],
    features: ["kvm", "big-parallel", "benchmark"],
  });
});

test("machines stand in a file, in one line, with comments, and without a system of their own", () => {
  const files = new Map([["/etc/nix/machines", "# ours\nssh://c riscv64-linux # slow\n\n@/etc/nix/machines\n"]]);
  const read = (path: string) => files.get(path);
  assert.deepEqual(parseMachines("@/etc/nix/machines", "x86_64-linux", read).systems, ["riscv64-linux"]);
  assert.deepEqual(parseMachines("ssh://a - ; ssh://b aarch64-linux - 1 1 - kvm", "x86_64-linux", none), {
    systems: ["x86_64-linux", "aarch64-linux"],
    features: ["kvm"],
  });
  for (const text of ["", "@/missing", " ; \n#x"])
    assert.deepEqual(parseMachines(text, "x", none), { systems: [], features: [] });
});
