import assert from "node:assert/strict";
import { statSync, truncateSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();
const size = 1 << 30;

test("a compressible file of 1 GiB goes there as a source, and comes back as an output", { skip }, async () => {
  const stage = current();
  const file = stage.client.outside(`/home/${stage.client.user}/large`);
  writeFileSync(file, "");
  truncateSync(file, size);
  const [path = ""] = await stage.built(await stage.ticket(), 'step "copy" "cp $large $out" { large = ./large; }');
  assert.equal(statSync(stage.client.outside(path)).size, size);
  const verified = await stage.client.run(["nix", "store", "verify", "--sigs-needed", "1", path]);
  assert.equal(verified.status, 0, verified.stderr);
});
