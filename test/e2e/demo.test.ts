import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { whyNoHosts } from "../hosts/can.ts";
import { start } from "../hosts/process.ts";

const skip = whyNoHosts();
const demo = join(import.meta.dirname, "../../scripts/demo.ts");

/** Starts the demo with a folder of its own for its temporary files. */
function startDemo(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-demo-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return { ...start([process.execPath, demo], { ...process.env, TMPDIR: folder }), folder };
}

test("the demo shows a build by ticket to its end, and leaves nothing behind", { skip }, async t => {
  const { ended, folder } = startDemo(t);
  const { status, stdout, stderr } = await ended;
  assert.equal(status, 0, stdout + stderr);
  const steps = [
    "drv-thru serve",
    "drv-thru ticket create",
    "drv-thru build",
    "the tower stands",
    "verified",
    "exhausted",
  ];
  let from = 0;
  for (const step of steps) {
    assert.ok(stdout.indexOf(step, from) >= 0, `${step}: not in the rest of\n${stdout}`);
    from = stdout.indexOf(step, from);
  }
  assert.deepEqual(readdirSync(folder), []);
});

for (const when of [/\$ drv-thru serve/, /building floor/]) {
  test(`Ctrl-C at ${when} ends the demo, and leaves nothing behind`, { skip }, async t => {
    const { child, until, ended, folder } = startDemo(t);
    await until(when);
    assert.equal(readdirSync(folder).length, 2, "the test cannot see what it looks for");
    child.kill("SIGINT");
    assert.equal((await ended).status, 130);
    assert.deepEqual(readdirSync(folder), []);
  });
}
