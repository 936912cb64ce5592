import assert from "node:assert/strict";
import { test } from "node:test";
import { help, readArguments } from "../../bench/arguments.ts";
import type { Measured } from "../../bench/peers/peer.ts";
import { sourceInBundle } from "../../bench/report/bundled.ts";
import { chart } from "../../bench/report/chart.ts";
import { withReport } from "../../bench/report/docs.ts";
import { goalsTable } from "../../bench/report/goals.ts";
import { median, ratio, ratioBeyond, wireRate } from "../../bench/report/ratios.ts";
import { report } from "../../bench/report/report.ts";
import type { Row } from "../../bench/report/results.ts";
import { bigOutput, bytesScript } from "../../bench/workloads/expressions.ts";
import { WORKLOADS } from "../../bench/workloads/index.ts";

const took = (seconds: number, more: Partial<Measured> = {}): Measured => ({
  seconds,
  cpuSeconds: 1,
  wireMib: 10,
  ...more,
});

const machine = { date: "2026-01-02", hardware: "h", versions: "v", load: 0, command: "npm run bench" };

test("the bench's help names every workload, and what is asked for is what runs", () => {
  for (const { id } of WORKLOADS) assert.match(help(), new RegExp(`^  ${id} `, "m"));
  assert.equal(readArguments(["--help"]), undefined);
  const asked = readArguments(["--only", "w4r,w3c", "--runs", "3", "--mib", "64", "--no-peer"]);
  assert.deepEqual(
    asked?.workloads.map(({ id }) => id),
    ["w4r", "w3c"],
  );
  assert.deepEqual([asked?.runs, asked?.mib, asked?.who], [3, 64, ["local", "native", "number0"]]);
  assert.deepEqual(readArguments(["--who", "store,native"])?.who, ["store", "native"]);
  const all = readArguments([])?.workloads;
  assert.ok(all?.every(({ onlyWhenNamed }) => !onlyWhenNamed));
});

test("the start of a name means all workloads that begin so, and a whole name that one alone", () => {
  const ids = (only: string) => readArguments(["--only", only])?.workloads.map(({ id }) => id);
  assert.deepEqual(ids("w2"), ["w2"]);
  assert.deepEqual(ids("w3,w3c"), ["w3c", "w3r", "w3nc", "w3nr"]);
  assert.equal(new Set(WORKLOADS.map(({ id }) => id)).size, WORKLOADS.length);
});

test("wrong arguments of the bench are named", () => {
  assert.throws(() => readArguments(["--only", "w9"]), /no workload w9; there are w1, /);
  assert.throws(() => readArguments(["--only", ""]), /no workload ; there are w1, /);
  assert.throws(() => readArguments(["--who", "nobody"]), /no contestant nobody; there are local, /);
  assert.throws(() => readArguments(["--peer", "rust=/bin/sh"]), /--peer rust=\/bin\/sh is not seed=PATH/);
  assert.throws(() => readArguments(["--peer", "seed=/no/such"]), /seed=\/no\/such: there is no such file/);
  assert.throws(() => readArguments(["--peer", "seed=/"]), /seed=\/: there is no such file/);
  assert.equal(readArguments(["--peer", "seed=/bin/sh"])?.seed, "/bin/sh");
  for (const wrong of ["0", "1.5", "-1", "many"]) {
    assert.throws(() => readArguments([`--runs=${wrong}`]), new RegExp(`--runs ${wrong} is not a whole number`));
    assert.throws(() => readArguments([`--mib=${wrong}`]), new RegExp(`--mib ${wrong} is not a whole number`));
  }
});

test("Nix hands the script of an output to the shell as it was written", () => {
  const [, text = ""] = /"(perl .*)" \{ \}\n$/.exec(bigOutput(64, true)) ?? [];
  assert.equal(text.replaceAll(/\\(.)/g, "$1"), `perl -e '${bytesScript(64, true)}' > $out`);
});

test("a ratio is the median of those of runs in pairs, and beyond building leaves out what that takes", () => {
  const row: Row = {
    id: "w1",
    title: "t",
    runs: {
      local: [took(1), took(1), took(1)],
      native: [took(5), took(2), took(9)],
      "ssh-ng": [took(3), took(4), undefined],
    },
    failures: [],
  };
  assert.equal(ratio(row, "native", "ssh-ng"), median([5 / 3, 2 / 4]));
  assert.equal(ratioBeyond(row, "native", "ssh-ng"), median([4 / 2, 1 / 3]));
  assert.equal(wireRate(row, "native")?.toFixed(3), "2.621");
  assert.equal(ratio(row, "native", "seed"), undefined);
  const alike = { ...row, runs: { ...row.runs, "ssh-ng": [took(1.01)] } };
  assert.equal(ratioBeyond(alike, "native", "ssh-ng"), undefined);
  assert.deepEqual([median([]), median([3, 1, 2]), median([4, 1])], [undefined, 2, 2.5]);
});

test("the report says of each goal whether it holds, and what failed or was not there", () => {
  const need = { mib: 80, cpuSeconds: 0.5 };
  const row: Row = {
    id: "w1",
    title: "one trivial derivation",
    runs: { native: [took(3, { client: need, builder: need })], "ssh-ng": [took(2)] },
    failures: ["store: nix failed:\nerror: no such host\nmore"],
  };
  assert.match(goalsTable([row]) ?? "", /\| w1 \| native : ssh-ng: at most 0\.75 \| 1\.50 \| no \|/);
  assert.match(goalsTable([row]) ?? "", /\| w1 \| native : seed: at most 0\.55 \| – \| not measured \|/);
  const crowd = { ...row, id: "w7" };
  assert.match(goalsTable([crowd]) ?? "", /under 250 MiB \| 80\.00 \| yes/);
  const text = report({ machine, absent: { seed: "no path" }, rows: [row] });
  assert.match(text, /^\| w1: one trivial derivation \| 1 \| 3\.00 \| 2\.00 \|$/m);
  assert.match(text, /^\| w1 native \| 80 \| 0\.50 \| 80 \| 0\.50 \| 1\.00 \| 10\.0 \| – \|$/m);
  assert.match(text, /Failed:\n- w1, store: error: no such host\n\nDid not take part:\n- seed: no path$/);
});

test("what has no command to time has its figures, but no line of seconds and no bar; what failed whole has its line", () => {
  const idle: Row = {
    id: "idle",
    title: "nothing",
    runs: { native: [took(Number.NaN, { figures: { "builder, MiB": 100 } })] },
    failures: [],
  };
  const failed: Row = { id: "w1", title: "failed", runs: { native: [undefined] }, failures: ["native: no"] };
  const text = report({ machine, absent: {}, rows: [idle, failed] });
  assert.doesNotMatch(text, /idle: nothing|NaN/);
  assert.match(text, /^\| idle \| native \| builder, MiB \| 100\.00 \|$/m);
  assert.match(text, /^\| w1: failed \| 1 \| – \|$/m);
  assert.doesNotMatch(chart([idle]), /idle|NaN/);
});

test("the report takes the place of the one before it on the page, and nothing else of it", () => {
  const [begin, end] = ["<!-- begin: written by npm run bench -->", "<!-- end: written by npm run bench -->"];
  const page = `# P\n${begin}\nold\n${end}\nrest\n`;
  assert.equal(withReport(page, "new"), `# P\n${begin}\nnew\n${end}\nrest\n`);
  assert.throws(() => withReport("# P\n", "new"), /no place for the tables/);
});

test("the chart is well-formed, the same for the same rows, and its longest bar of each workload has the full length", () => {
  const row: Row = {
    id: "a<b",
    title: "x & y",
    runs: { local: [took(1)], native: [took(2)], store: [took(4)] },
    failures: [],
  };
  const svg = chart([row, { ...row, id: "nothing", runs: {} }]);
  assert.equal(svg, chart([row, { ...row, id: "nothing", runs: {} }]));
  assert.match(svg, /a&lt;b: x &amp; y/);
  assert.doesNotMatch(svg, /nothing|NaN|undefined/);
  const bars = [...svg.matchAll(/<rect x="330" y="\d+" width="([0-9.]+)"/g)].map(([, width]) => Number(width));
  assert.deepEqual(bars, [250, 500]);
  const open = [...svg.matchAll(/<(\w+)(?:\s[^>]*[^/])?>/g)].map(([, name]) => name);
  const closed = [...svg.matchAll(/<\/(\w+)>/g)].map(([, name]) => name);
  assert.deepEqual(open.toSorted(), closed.toSorted());
});

test("a line of the bundled command is named by its source", () => {
  const bundle =
    "import x\n\n// src/cli/main.ts\nfunction a() {}\n// see src/there.ts for why\n\n// node_modules/p/q.mjs\nb();\n";
  assert.deepEqual(
    [4, 6, 8].map(line => sourceInBundle(bundle, line)),
    ["src/cli/main.ts", "src/cli/main.ts", "node_modules/p/q.mjs"],
  );
  assert.equal(sourceInBundle(bundle, 1), undefined);
});
