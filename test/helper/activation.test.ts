import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";
import { askAt } from "./world.ts";

const bin = join(import.meta.dirname, "../../src/bin.ts");
const found = spawnSync("systemd-socket-activate", ["--version"]).status === 0;
const skip = found ? false : "needs systemd-socket-activate";
const key = formatPublicKey(generateSecretKey("builder-1").public);

/** Starts the command behind systemd's own tool, which makes the sockets and waits for the first connection. */
async function activated(t: TestContext, names: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-activated-"));
  const keyFile = join(folder, "keys");
  await writeFile(keyFile, key, { mode: 0o644 });
  const sockets = names.map(name => join(folder, name));
  const listen = sockets.flatMap(path => ["--listen", path]);
  const command = [process.execPath, bin, "import-helper", "serve", "--trusted-public-key-file", keyFile];
  const child = spawn("systemd-socket-activate", [...listen, ...command], { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", text => (stderr += text));
  const ended = once(child, "close");
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  // It says so of each once it listens: the file is there a moment earlier.
  while (sockets.some(path => !stderr.includes(`Listening on ${path}`))) {
    assert.equal(child.exitCode, null, stderr);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return { child, ended, socketPath: sockets[0] ?? "", stderr: () => stderr };
}

test("systemd hands the helper its socket, whoever connected before it was up is answered, and SIGTERM ends it", {
  skip,
}, async t => {
  const { child, ended, socketPath, stderr } = await activated(t, ["helper.sock"]);
  assert.deepEqual(await askAt(socketPath, { ask: "key", key }), { ok: true });
  assert.match(stderr(), /"socket":"from systemd","keys":1,"names":\["builder-1"\]/);
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});

test("more sockets than one are refused", { skip }, async t => {
  const { ended, stderr, socketPath } = await activated(t, ["a.sock", "b.sock"]);
  await askAt(socketPath, { ask: "key", key });
  assert.deepEqual(await ended, [2, null]);
  assert.match(stderr(), /systemd handed 2 sockets to the helper, which serves one/);
});
