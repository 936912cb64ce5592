import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { noDaemon, processesWith, removeStore } from "../nix-daemon/host.ts";

test("where no daemon runs and the store is ours, one is started for the conversation and ends with it", {
  skip: noDaemon,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-single-"));
  try {
    for (const name of ["nix/store", "nix/var/nix", "etc"]) await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, "etc/nix.conf"), "build-users-group =\nsandbox = false\nsubstituters =\n");
    const marker = `drv-thru-single-${process.pid}`;
    const { status, output } = await inside(folder, marker);
    assert.equal(status, 0, output);
    const { status: built, error } = JSON.parse(output);
    assert.equal(built, "built");
    assert.match(error, /was closed/);
    for (let tries = 0; tries < 500 && processesWith(marker).length > 0; tries++) await sleep(20);
    assert.deepEqual(processesWith(marker), []);
  } finally {
    await removeStore(folder);
  }
});

async function inside(folder: string, marker: string): Promise<{ status: number | null; output: string }> {
  const script = `set -e; mount --make-rprivate /; mkdir -p /nix /etc/nix
mount --bind ${folder}/nix /nix; mount --bind ${folder}/etc /etc/nix; exec "$@"`;
  const program = [process.execPath, join(import.meta.dirname, "../nix-daemon/single-user.ts"), marker];
  const child = spawn("unshare", ["--mount", "sh", "-c", script, "sh", ...program], {
    env: { PATH: process.env["PATH"], HOME: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", chunk => {
    output += chunk;
  });
  const ended = Promise.withResolvers<number | null>();
  child.on("error", ended.reject);
  child.on("close", ended.resolve);
  return { status: await ended.promise, output };
}
