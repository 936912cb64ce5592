import assert from "node:assert/strict";
import { test } from "node:test";
import { help, readArguments } from "../../bench/arguments.ts";
import { table } from "../../bench/table.ts";
import { bytesScript, WORKLOADS } from "../../bench/workloads.ts";

test("the bench's help names every workload, and what is asked for is what runs", () => {
  for (const { id } of WORKLOADS) assert.match(help(), new RegExp(`^  ${id} `, "m"));
  assert.equal(readArguments(["--help"]), undefined);
  const asked = readArguments(["--only", "w4r,w3c", "--runs", "3", "--mib", "64", "--no-peer"]);
  assert.deepEqual(
    asked?.workloads.map(({ id }) => id),
    ["w4r", "w3c"],
  );
  assert.deepEqual([asked?.runs, asked?.mib, asked?.peer], [3, 64, false]);
  const all = readArguments([])?.workloads;
  assert.ok(all?.every(({ onlyWhenNamed }) => !onlyWhenNamed));
});

test("wrong arguments of the bench are named", () => {
  assert.throws(() => readArguments(["--only", "w9"]), /no workload w9; there are w1, /);
  for (const wrong of ["0", "1.5", "-1", "many"]) {
    assert.throws(() => readArguments([`--runs=${wrong}`]), new RegExp(`--runs ${wrong} is not a whole number`));
    assert.throws(() => readArguments([`--mib=${wrong}`]), new RegExp(`--mib ${wrong} is not a whole number`));
  }
});

test("Nix hands the script of an output to the shell as it was written", () => {
  const file = WORKLOADS.find(({ id }) => id === "w3c")?.file(64) ?? "";
  const [, text = ""] = /"(perl .*)" \{ \}\n$/.exec(file) ?? [];
  assert.equal(text.replaceAll(/\\(.)/g, "$1"), `perl -e '${bytesScript(64, true)}' > $out`);
});

test("the table leaves out of the ratio what the same work takes locally", () => {
  const row = {
    title: "t",
    runs: { "drv-thru": [{ seconds: 5 }], "ssh-ng": [{ seconds: 3 }], local: [{ seconds: 1 }] },
  };
  const line = table([row]).split("\n")[2];
  assert.equal(line, "| t | 1.00 | 5.00 | 3.00 | 1.67 | 2.00 | – | – | – | – |");
  const same = { ...row, runs: { ...row.runs, "ssh-ng": [{ seconds: 1.01 }] } };
  assert.match(table([same]), /\| 4\.95 \| – \|/);
});
