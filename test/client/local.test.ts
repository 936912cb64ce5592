import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { findLocalBuilder, socketCandidates } from "../../src/client/connection/local.ts";
import type { Failure } from "../../src/lib/failure.ts";
import { temporaryFolder } from "./folder.ts";

test("a named data folder is the only one that is looked at; else the system's, then the user's own", () => {
  assert.deepEqual(socketCandidates({ dataDir: "/d" }, { DRV_THRU_DATA_DIR: "/e", HOME: "/h" }), ["/d/builder.sock"]);
  assert.deepEqual(socketCandidates({}, { DRV_THRU_DATA_DIR: "/e", HOME: "/h" }), ["/e/builder.sock"]);
  assert.deepEqual(socketCandidates({}, { HOME: "/h" }), [
    "/run/drv-thru/builder.sock",
    "/h/.local/state/drv-thru/builder.sock",
    "/var/lib/drv-thru/builder.sock",
  ]);
});

test("the first builder that answers is taken", async t => {
  const folder = await temporaryFolder(t);
  const socket = join(folder, "builder.sock");
  const server = createServer().listen(socket);
  t.after(() => server.close());
  await once(server, "listening");
  assert.equal(await findLocalBuilder([join(folder, "absent.sock"), socket]), socket);
});

test("if none answers the error lists where it looked, why not, and how to start one", async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "file.sock"), "");
  const long = join(folder, "x".repeat(120));
  const candidates = [join(folder, "absent.sock"), join(folder, "file.sock"), long];
  await assert.rejects(findLocalBuilder(candidates), (error: Failure) => {
    assert.equal(error.code, "unreachable");
    for (const path of candidates) assert.ok(error.message.includes(path));
    assert.match(error.message, /absent\.sock: not there/);
    assert.ok(error.message.includes(`a path of ${Buffer.byteLength(long)} bytes`));
    assert.match(error.fix ?? "", /drv-thru serve/);
    return true;
  });
});

test("a socket that this user may not open says as whom to run, unless another builder answers", async t => {
  if (process.getuid?.() === 0) return t.skip("root may open every socket");
  const folder = await temporaryFolder(t);
  const [closed, open] = [join(folder, "closed.sock"), join(folder, "open.sock")];
  for (const socket of [closed, open]) {
    const server = createServer().listen(socket);
    t.after(() => server.close());
    await once(server, "listening");
  }
  await chmod(closed, 0);
  assert.equal(await findLocalBuilder([closed, open]), open);
  await assert.rejects(findLocalBuilder([closed]), { code: "not-permitted", reason: "socket-permission" });
});
