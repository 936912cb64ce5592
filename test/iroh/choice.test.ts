import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { chooseIroh } from "../../src/iroh/choice.ts";
import { addonAbi } from "../../src/iroh/native/addon.ts";
import { failureOf } from "../contract/endpoint/tools.ts";
import { whyNoAddon } from "./bindings.ts";

const folder = mkdtempSync(join(tmpdir(), "drv-thru-choice-"));
after(() => rmSync(folder, { recursive: true }));

/** A module in the addon's place. */
function standIn(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const missing = join(folder, "none.node");
const fitting = standIn("fitting.cjs", `module.exports = { ABI: ${addonAbi}, IROH: "9.9.9", Hub: class {} };`);
const other = standIn("other.cjs", `module.exports = { ABI: ${addonAbi + 1}, IROH: "9.9.9", Hub: class {} };`);
const broken = standIn("broken.node", "no library at all");

test("where the addon was never built, @number0/iroh is used without a word", () => {
  const choice = chooseIroh({}, missing);
  assert.deepEqual([choice.name, choice.because, choice.addon], ["number0", undefined, undefined]);
  assert.match(choice.text, /^@number0\/iroh \d/);
});

test("an addon that is there and fits is used, and its version is said", () => {
  const choice = chooseIroh({}, fitting);
  assert.deepEqual([choice.name, choice.text], ["native", "native addon, iroh 9.9.9"]);
  assert.equal(chooseIroh({ DRV_THRU_IROH_ADDON: fitting }, missing).name, "native");
});

test("an addon of another version, a broken one, or a named one that is missing is not used, and it is said why", () => {
  for (const file of [other, broken, missing]) {
    const choice = chooseIroh({ DRV_THRU_IROH_ADDON: file }, fitting);
    assert.equal(choice.name, "number0");
    assert.ok(choice.because?.startsWith(`${file}: `), choice.because);
  }
  assert.match(chooseIroh({}, other).because ?? "", /another version/);
});

test("DRV_THRU_IROH=native takes the addon or fails with the reason", () => {
  assert.equal(chooseIroh({ DRV_THRU_IROH: "native" }, fitting).name, "native");
  for (const file of [missing, other, broken]) {
    assert.throws(() => chooseIroh({ DRV_THRU_IROH: "native" }, file), failureOf("failed", "no-addon"));
  }
});

test("DRV_THRU_IROH=number0 passes over an addon, and any other word is refused", () => {
  assert.equal(chooseIroh({ DRV_THRU_IROH: "number0" }, fitting).name, "number0");
  assert.throws(() => chooseIroh({ DRV_THRU_IROH: "rust" }, fitting), failureOf("usage"));
});

test("the addon that was built here is the one that is used", { skip: whyNoAddon }, () => {
  const choice = chooseIroh({});
  assert.equal(choice.name, "native");
  assert.match(choice.text, /^native addon, iroh \d+\.\d+\.\d+$/);
});
