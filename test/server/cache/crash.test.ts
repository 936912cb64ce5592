import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { zstdDecompressSync } from "node:zlib";
import { sha256 } from "../../../src/nix/hash.ts";
import { parseNarInfo } from "../../../src/nix/narinfo.ts";
import { formatSecretKey, generateSecretKey, signerOf } from "../../../src/nix/signing-key.ts";
import { CacheFolder } from "../../../src/server/cache/folder.ts";
import { scan } from "../../../src/server/cache/scan.ts";

const child = fileURLToPath(new URL("crash-child.ts", import.meta.url));
const ROUNDS = 8;

test("a cache killed at any moment holds no broken entry, neither before nor after the next start", async t => {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-crash-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const key = generateSecretKey("builder-1");
  let next = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const args = [child, folder, formatSecretKey(key), String(next)];
    const filling = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(filling, "exit");
    filling.stdout.setEncoding("utf8").on("data", (text: string) => {
      next = Number(text.trim().split("\n").at(-1)) + 4;
    });
    await once(filling.stdout, "data");
    await sleep(Math.random() * 150);
    // However slow this machine is, something was whole before the last kill.
    while (round === ROUNDS - 1 && (await narInfoNames(folder)).length === 0) await sleep(20);
    filling.kill("SIGKILL");
    const [code] = await exited;
    assert.equal(code, null, "it ran until it was killed");
    // As any web server would serve it now.
    const before = await assertWhole(folder);
    const entries = await scan(new CacheFolder(folder), key.public);
    assert.equal(entries.length, before, "the start throws away nothing that is whole");
    assert.equal((await readdir(join(folder, "nar"))).length, new Set(entries.map(entry => entry.fileHash)).size);
    assert.deepEqual(await readdir(join(folder, "tmp")), []);
    for (const { info } of await narInfos(folder)) assert.ok(signerOf(info, [key.public]));
  }
  assert.ok((await narInfos(folder)).length > 0);
});

/** Every entry's archive is there and is what the narinfo says. Gives their number. */
async function assertWhole(folder: string): Promise<number> {
  const all = await narInfos(folder);
  for (const { info, url, fileHash, fileSize } of all) {
    const file = await readFile(join(folder, url));
    assert.deepEqual([sha256(file), file.length], [fileHash, fileSize]);
    assert.equal(sha256(zstdDecompressSync(file)), info.narHash);
  }
  return all.length;
}

async function narInfoNames(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter(name => name.endsWith(".narinfo"));
}

async function narInfos(folder: string) {
  const names = await narInfoNames(folder);
  return await Promise.all(names.map(async name => parseNarInfo(await readFile(join(folder, name), "utf8"))));
}
