import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { addBuilder, loadBuilders, removeBuilder, showBuilder } from "../../src/index.ts";
import { temporaryFolder } from "./folder.ts";

test("a program gives builders names, as the command line does", async t => {
  const file = join(await temporaryFolder(t), "builders.json");
  const env = { DRV_THRU_BUILDERS_CONFIG: file };
  const endpointId = "ab".repeat(32);
  await assert.rejects(addBuilder("leviathan", { endpointId: "ab" }, env), { code: "usage" });
  assert.equal((await addBuilder("leviathan", { endpointId }, env)).file, file);
  assert.deepEqual([...(await loadBuilders(env)).builders.keys()], ["leviathan"]);
  assert.equal((await showBuilder("leviathan", env)).endpoint, endpointId);
  await removeBuilder("leviathan", env);
  assert.equal((await loadBuilders(env)).builders.size, 0);
});
