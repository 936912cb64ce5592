import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/cli/main.ts";
import { testIo } from "./io.ts";

test("key show prints the client's id and nothing else, the same each time, and another for another --key-file", async t => {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-key-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const show = async (name: string, ...flags: string[]) => {
    const world = testIo();
    assert.equal(await run(["key", "show", "--key-file", join(folder, name), ...flags], world.io), 0);
    assert.equal(world.stderr(), "");
    return world.stdout();
  };
  const id = await show("one");
  assert.match(id, /^[0-9a-f]{64}\n$/);
  assert.equal(statSync(join(folder, "one")).mode & 0o777, 0o600);
  assert.equal(await show("one"), id);
  assert.notEqual(await show("two"), id);
  const told = JSON.parse(await show("one", "--json"));
  assert.deepEqual(told, { id: id.trim(), file: join(folder, "one"), created: false });
});
