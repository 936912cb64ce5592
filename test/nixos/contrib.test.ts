import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseConfig } from "../../src/server/config.ts";
import { findProgram } from "../hosts/can.ts";
import { machine, unitText } from "./machine.ts";
import { whyNoEvaluation } from "./nix.ts";

const folder = join(import.meta.dirname, "../../contrib/systemd");
const UNITS = [
  "drv-thru.service",
  "drv-thru.socket",
  "drv-thru-import-helper.service",
  "drv-thru-import-helper.socket",
] as const;

/** The lines of a unit's sections, without comments, in an order of their own. */
function lines(text: string): string[] {
  let section = "";
  const found: string[] = [];
  for (const line of text.split("\n")) {
    if (/^\[.*\]$/.test(line)) section = line;
    else if (line !== "" && !line.startsWith("#")) found.push(`${section}${line}`);
  }
  return found.sort();
}

test("the units for other distributions are those of the NixOS module", { skip: whyNoEvaluation() }, () => {
  const { units, tmpfiles, etc } = machine("{ services.drv-thru = { server.enable = true; client.enable = true; }; }");
  for (const name of UNITS) {
    const unit = units[name];
    assert.ok(unit, name);
    const ofNix = unitText(unit)
      .replaceAll(/\/nix\/store\/\S+-drv-thru\/bin\//g, "/usr/local/bin/")
      .replaceAll(/\/nix\/store\/\S+-coreutils\/bin\//g, "/bin/");
    assert.deepEqual(lines(readFileSync(join(folder, name), "utf8")), lines(ofNix), name);
  }
  const rules = readFileSync(join(folder, "tmpfiles.d/drv-thru.conf"), "utf8");
  assert.deepEqual(lines(rules), tmpfiles);
  const config = readFileSync(join(folder, "server.json"), "utf8");
  assert.deepEqual(JSON.parse(config), JSON.parse(etc["drv-thru/server.json"] ?? ""));
  parseConfig(config, "/etc/drv-thru/server.json");
});

const noAnalyze = findProgram("systemd-analyze") === undefined ? "needs the program systemd-analyze" : undefined;

test("systemd finds nothing wrong with the units", { skip: noAnalyze }, t => {
  const root = unitFolder(t);
  const files = UNITS.map(name => join(root, name));
  const { status, stderr } = analyze(["verify", "--man=no", "--recursive-errors=no", ...files], root);
  assert.deepEqual([stderr, status], ["", 0]);
});

test("systemd finds the builder shut in as the documentation says, and the helper too", { skip: noAnalyze }, t => {
  const root = unitFolder(t);
  const docs = readFileSync(join(folder, "../../docs/operations.md"), "utf8");
  for (const name of ["drv-thru.service", "drv-thru-import-helper.service"]) {
    const { stdout } = analyze(["security", "--offline=true", "--no-pager", join(root, name)], root);
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
    const told = Number(new RegExp(`\`${name.replaceAll(".", "\\.")}\` \\| ([\\d.]+) `).exec(docs)?.[1]);
    // Later versions of systemd ask for more, and may find a little more.
    assert.ok(exposure <= told + 0.5, `${name}: exposed ${exposure}, told ${told}`);
    assert.ok(told < 4, `${name}: ${told}`);
  }
});

/** The units where `systemd-analyze` finds what they name: the program that they start is one that is there. */
function unitFolder(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "drv-thru-units-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const name of UNITS) {
    const text = readFileSync(join(folder, name), "utf8").replaceAll("/usr/local/bin/drv-thru", process.execPath);
    writeFileSync(join(root, name), text);
  }
  mkdirSync(join(root, "home"));
  return root;
}

function analyze(words: readonly string[], root: string) {
  const env = { PATH: process.env["PATH"], HOME: join(root, "home"), SYSTEMD_LOG_LEVEL: "warning" };
  return spawnSync("systemd-analyze", words, { env, encoding: "utf8" });
}
