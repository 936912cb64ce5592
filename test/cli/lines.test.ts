import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "../../src/cli/progress/lines.ts";

test("how inputs travel is said with -v alone", () => {
  const said = (verbose: boolean, codec: "none" | "zstd", bytes: number) =>
    describe({ kind: "upload-encoding", codec, bytes }, { verbose, nameDerivations: false });
  assert.deepEqual(said(false, "zstd", 0), {});
  assert.deepEqual(said(true, "zstd", 0), { line: "from 0 B on inputs go up compressed (zstd, level 3)" });
  assert.deepEqual(said(true, "none", 4 * 2 ** 20), {
    line: "from 4.0 MiB on inputs go up as they are: they do not shrink",
  });
});
