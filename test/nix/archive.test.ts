import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Failure } from "../../src/lib/failure.ts";
import { provingHash } from "../../src/nix/content-address.ts";
import { FormatError } from "../../src/nix/format-error.ts";
import { sha256 } from "../../src/nix/hash.ts";
import { checkedNar } from "../../src/nix/nar/check.ts";
import { dumpPath } from "../../src/nix/nar/dump.ts";
import { encodeNar } from "../../src/nix/nar/encode.ts";
import { readNar } from "../../src/nix/nar/reader.ts";
import { restoreNar } from "../../src/nix/nar/restore.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import { fragments, gather } from "./bytes.ts";
import { golden, goldenPath, PATHS } from "./golden.ts";
import { makeTree } from "./tree.ts";

const treeNar = golden("nar/recursive-sha256.nar");

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "archive-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function nar(name: string, size = 1000): AsyncIterable<Uint8Array> {
  return fragments(golden(`nar/${name}.nar`), size);
}

test("every archive that Nix wrote reads, and is written with the same bytes", async () => {
  for (const [name, info] of PATHS) {
    const bytes = golden(`nar/${name}.nar`);
    assert.equal(sha256(bytes), info.narHash);
    for (const size of [1, 17, 4096])
      assert.deepEqual(await gather(encodeNar(readNar(fragments(bytes, size)))), bytes, name);
  }
});

test("a tree with an executable, links, an empty folder and odd names is archived as Nix does it", async t => {
  const path = join(folder(t), "tree");
  await makeTree(Buffer.from(path));
  assert.deepEqual(await gather(dumpPath(path)), treeNar);
});

test("an archive that was unpacked is archived to the same bytes", async t => {
  const work = folder(t);
  for (const name of ["recursive-sha256", "text", "floating-self"]) {
    const path = join(work, name);
    await restoreNar(nar(name, 50), path);
    assert.deepEqual(await gather(dumpPath(path)), golden(`nar/${name}.nar`));
  }
});

test("unpacking never overwrites, and removes what it made of a broken archive", async t => {
  const work = folder(t);
  const there = join(work, "there");
  writeFileSync(there, "mine");
  for (const name of ["recursive-sha256", "text"]) {
    await assert.rejects(restoreNar(nar(name), there), { code: "EEXIST" });
    assert.ok(lstatSync(there).isFile());
  }
  for (const end of [0, 10, 500, 1500, treeNar.length - 1]) {
    await assert.rejects(restoreNar(fragments(treeNar.subarray(0, end), 64), join(work, "broken")), FormatError);
  }
  assert.deepEqual(readdirSync(work), ["there"]);
});

test("a pipe in a tree is refused by name and nobody waits for it", async t => {
  const work = folder(t);
  execFileSync("mkfifo", [join(work, "pipe")]);
  await assert.rejects(gather(dumpPath(work)), /pipe" is neither/);
  await assert.rejects(gather(dumpPath(join(work, "absent"))), { code: "ENOENT" });
  assert.ok(existsSync(work));
});

test("golden archives pass the check of their infos and content addresses, in fragments", async () => {
  for (const [name, info] of PATHS) {
    for (const size of [1, 100, 5000]) {
      assert.deepEqual(await gather(checkedNar(info, nar(name, size), provingHash(info))), golden(`nar/${name}.nar`));
    }
  }
});

test("an archive that is not what was announced fails before its end is passed on or at it", async () => {
  const info = goldenPath("recursive-sha256");
  const fails = (info: PathInfo, name: string, code: string) =>
    assert.rejects(gather(checkedNar(info, nar(name), provingHash(info))), error => {
      return error instanceof Failure && error.code === code;
    });
  await fails({ ...info, narSize: info.narSize - 1 }, "recursive-sha256", "hash-mismatch");
  await fails({ ...info, narSize: info.narSize + 1 }, "recursive-sha256", "hash-mismatch");
  await fails({ ...info, narHash: goldenPath("text").narHash }, "recursive-sha256", "hash-mismatch");
  await fails(info, "text", "hash-mismatch");
  const other = goldenPath("flat-sha256");
  await fails({ ...other, narHash: goldenPath("text").narHash }, "text", "hash-mismatch");
  await fails({ ...goldenPath("text"), narHash: info.narHash, narSize: info.narSize }, "recursive-sha256", "failed");
});

test("bytes past the announced length are not passed on", async () => {
  const info = goldenPath("text");
  let passed = 0;
  const run = async () => {
    for await (const chunk of checkedNar(
      info,
      fragments(Buffer.concat([golden("nar/text.nar"), Buffer.alloc(800)]), 8),
    ))
      passed += chunk.length;
  };
  await assert.rejects(run(), Failure);
  assert.equal(passed, info.narSize);
});
