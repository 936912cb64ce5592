import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { connectTransport } from "../../src/transport/client.ts";
import { listenUnix, unixSession } from "../../src/transport/unix.ts";
import { Trial } from "./gen/drvthru/transport/test/v1/test_pb.js";
import { serveTestService } from "./trial.ts";

test("a caller reaches all four kinds of method over a Unix socket", async () => {
  const dir = await mkdtemp(join(tmpdir(), "drvthru-"));
  const path = join(dir, "s");
  const listener = await listenUnix(path, { mode: 0o600 });
  const session = unixSession(path);
  const served = serveTestService(listener);
  const client = createClient(Trial, connectTransport(session));
  assert.deepEqual((await client.echo({ data: Uint8Array.of(1, 2) })).data, Uint8Array.of(1, 2));
  const got: number[] = [];
  for await (const { data } of client.download({ count: 3, size: 1000 })) got.push(data.length);
  assert.deepEqual(got, [1000, 1000, 1000]);
  async function* chunks() {
    for (let at = 0; at < 3; at++) yield { data: new Uint8Array(10) };
  }
  assert.equal((await client.upload(chunks())).bytes, 30n);
  let echoes = 0;
  for await (const { data } of client.chat(chunks())) echoes += data.length;
  assert.equal(echoes, 30);
  assert.equal(served.activeCalls, 0);
  await session.close();
  await listener.close();
  await rm(dir, { recursive: true });
});
