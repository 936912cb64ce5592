import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { Failure } from "../../src/lib/failure.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { listenUnix, unixSession } from "../../src/transport/unix.ts";
import { until } from "../until.ts";
import { Trial } from "./gen/drvthru/transport/test/v1/test_pb.js";
import { requestOf } from "./raw.ts";
import { serveTestService } from "./trial.ts";

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "drv-thru-unix-"));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

/** Listens until the test ends, however it ends. */
async function listening(context: TestContext, path: string, options: { mode: number; maxConnections?: number }) {
  const session = await listenUnix(path, options);
  context.after(() => session.close());
  return session;
}

const callers = (path: string) => createClient(Trial, connectTransport(unixSession(path)));

test("the socket file has the mode asked for, and goes with its listener", async context => {
  const path = join(await folder(context), "socket");
  const session = await listening(context, path, { mode: 0o660 });
  assert.equal((await stat(path)).mode & 0o777, 0o660);
  await session.close();
  await assert.rejects(stat(path), { code: "ENOENT" });
});

test("a socket that a dead program left is replaced", async context => {
  const path = join(await folder(context), "socket");
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
  assert.ok((await stat(path)).isSocket());
  const session = await listening(context, path, { mode: 0o600 });
  serveTestService(session);
  await callers(path).echo({});
  await session.close();
});

test("a socket that somebody answers on is refused, and so is a file of another kind", async context => {
  const path = join(await folder(context), "socket");
  const session = await listening(context, path, { mode: 0o600 });
  await assert.rejects(listenUnix(path, { mode: 0o600 }), { name: "Failure", message: /another program answers on/ });
  await session.close();
  await writeFile(path, "precious");
  await assert.rejects(listenUnix(path, { mode: 0o600 }), { name: "Failure", message: /is no socket/ });
});

test("a path of 100 bytes is taken, one of 101 is refused with its length", async context => {
  const parent = await folder(context);
  const path = join(parent, "s".repeat(100 - Buffer.byteLength(parent) - 1));
  await (await listenUnix(path, { mode: 0o600 })).close();
  const refused = (error: unknown) =>
    error instanceof Failure && error.code === "usage" && /101 bytes/.test(error.message);
  await assert.rejects(listenUnix(`${path}s`, { mode: 0o600 }), refused);
  assert.throws(() => unixSession(`${path}s`), refused);
});

test("a folder that does not exist is named", async context => {
  const path = join(await folder(context), "no", "socket");
  await assert.rejects(listenUnix(path, { mode: 0o600 }), { name: "Failure", message: /the folder .* does not exist/ });
});

test("a caller of a socket nobody answers on hears so at once", async context => {
  const path = join(await folder(context), "socket");
  await assert.rejects(callers(path).echo({}), { code: Code.Unavailable });
});

test("as many connections as allowed are served, one more is closed", async context => {
  const path = join(await folder(context), "socket");
  const session = await listening(context, path, { mode: 0o600, maxConnections: 2 });
  const server = serveTestService(session);
  const sockets = [connect(path), connect(path)];
  for (const socket of sockets) socket.write(requestOf("Hang", 1n));
  await until("both run", () => server.activeCalls === 2);
  await assert.rejects(callers(path).echo({}), { code: Code.Unavailable });
  for (const socket of sockets) socket.destroy();
  await until("both ended", () => server.activeCalls === 0);
  await callers(path).echo({});
  await session.close();
});

test("a caller killed while its call runs is noticed by the handler", async context => {
  const path = join(await folder(context), "socket");
  const session = await listening(context, path, { mode: 0o600 });
  const server = serveTestService(session);
  const request = Buffer.from(requestOf("Hang", 1n)).toString("hex");
  const script = `require("node:net").connect(${JSON.stringify(path)}).write(Buffer.from("${request}", "hex"))`;
  const child = spawn(process.execPath, ["-e", script]);
  await until("it runs", () => server.activeCalls === 1);
  child.kill("SIGKILL");
  await until("it ended", () => server.activeCalls === 0);
  await session.close();
});

test("a server that closes the connection without an answer is an error", async context => {
  const path = join(await folder(context), "socket");
  const server = createServer(socket => socket.end()).listen(path);
  await once(server, "listening");
  await assert.rejects(callers(path).echo({}), { code: Code.Unavailable });
  server.close();
});
