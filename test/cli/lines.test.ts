import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "../../src/cli/progress/lines.ts";

test("another path of the connection is said with -v alone", () => {
  const said = (verbose: boolean) =>
    describe({ kind: "path", path: "direct", address: "192.0.2.7:4433" }, { verbose, nameDerivations: false });
  assert.deepEqual(said(false), {});
  assert.deepEqual(said(true), { line: "the connection is now direct (192.0.2.7:4433)" });
});

test("how inputs travel is said with -v alone", () => {
  const said = (verbose: boolean, encoding: "incompressible" | "fast-link" | "zstd-1" | "zstd-3", bytes: number) =>
    describe({ kind: "upload-encoding", encoding, bytes }, { verbose, nameDerivations: false });
  assert.deepEqual(said(false, "zstd-1", 0), {});
  assert.deepEqual(said(true, "zstd-1", 0), { line: "from 0 B on inputs go up compressed (zstd, level 1)" });
  assert.deepEqual(said(true, "zstd-3", 0), { line: "from 0 B on inputs go up compressed (zstd, level 3)" });
  assert.deepEqual(said(true, "fast-link", 0), {
    line: "from 0 B on inputs go up as they are: the link is faster than the compressor",
  });
  assert.deepEqual(said(true, "incompressible", 4 * 2 ** 20), {
    line: "from 4.0 MiB on inputs go up as they are: to compress them would save nothing",
  });
});

test("how outputs travel is said with -v alone", () => {
  const said = (verbose: boolean, codec: "none" | "zstd", bytes: number) =>
    describe({ kind: "download-encoding", codec, bytes }, { verbose, nameDerivations: false });
  assert.deepEqual(said(false, "zstd", 0), {});
  assert.deepEqual(said(true, "zstd", 0), { line: "from 0 B on outputs come compressed (zstd)" });
  assert.deepEqual(said(true, "none", 4 * 2 ** 20), { line: "from 4.0 MiB on outputs come as they are" });
});
