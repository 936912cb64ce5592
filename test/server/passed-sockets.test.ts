import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import { passedSockets } from "../../src/lib/passed-sockets.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { unixSession } from "../../src/transport/unix.ts";
import { whyNoNix } from "../hosts/can.ts";

const program = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
const skip = whyNoNix();

test("sockets are taken only where they were passed to this very process", () => {
  assert.deepEqual(passedSockets({ LISTEN_PID: "7", LISTEN_FDS: "2" }, 7), [3, 4]);
  assert.deepEqual(passedSockets({ LISTEN_PID: "8", LISTEN_FDS: "2" }, 7), []);
  assert.deepEqual(passedSockets({ LISTEN_FDS: "2" }, 7), []);
  assert.equal(passedSockets({ LISTEN_PID: "7", LISTEN_FDS: "16" }, 7).length, 16);
  for (const count of ["17", "-1", "1e9", "", "x"]) {
    assert.throws(() => passedSockets({ LISTEN_PID: "7", LISTEN_FDS: count }, 7), { code: "usage" });
  }
});

/** Runs `drv-thru serve` as systemd does that has a socket for it. */
async function serveWith(t: TestContext, folder: string, server: Server): Promise<ChildProcess> {
  const flags = ["--data-dir", join(folder, "data"), "--relay", "none", "--bind", "127.0.0.1", "--json"];
  const argv = [process.execPath, program, "serve", ...flags];
  const script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"';
  // Node passes a descriptor on, and tells that of a server only in here.
  const { fd } = Reflect.get(server, "_handle") as { fd: number };
  const child: ChildProcess = spawn("sh", ["-c", script, "sh", ...argv], { stdio: ["ignore", "pipe", "pipe", fd] });
  t.after(() => child.kill("SIGKILL"));
  server.close();
  return child;
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-passed-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("whoever may open the socket that systemd passes manages tickets there, and it outlives the builder", {
  skip,
}, async t => {
  const folder = folderOf(t);
  const path = join(folder, "builder.sock");
  const server = createServer().listen(join(folder, "bound-here"));
  await once(server, "listening");
  // Closing removes the file it was bound to, and systemd's stays.
  renameSync(join(folder, "bound-here"), path);
  const child = await serveWith(t, folder, server);
  const session = unixSession(path);
  const tickets = createClient(Tickets, connectTransport(session));
  const ask = { name: "t", expiresSeconds: 60n, uses: 1n, maxBuildSeconds: 60n, maxUploadBytes: 1n };
  assert.match((await tickets.create(ask, { timeoutMs: 20_000 })).ticket, /^drvthru/);
  assert.ok(statSync(join(folder, "data", "builder.sock")).isSocket(), "root finds it in the data folder too");
  await session.close();
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
  assert.ok(statSync(path).isSocket());
});

test("a socket of the network is never an administrator's", { skip }, async t => {
  const folder = folderOf(t);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const child = await serveWith(t, folder, server);
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", text => {
    stderr += text;
  });
  assert.deepEqual(await once(child, "close"), [2, null]);
  assert.match(stderr, /descriptor 3 is no listening Unix socket: it is of a network/);
});
