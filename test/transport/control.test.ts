import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { StreamCode, StreamError } from "../../src/lib/stream.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { wasRefused } from "../../src/transport/errors.ts";
import { encodeFrame, FrameType } from "../../src/transport/frames.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { until } from "../until.ts";
import { Trial } from "./gen/drvthru/transport/test/v1/test_pb.js";
import { controlBy, controls, framesOf, requestOf, sendRaw } from "./raw.ts";
import { serveTestService } from "./trial.ts";

const quick = { everyMs: 20, misses: 2 };

test("a draining server lets calls under way end and refuses new ones, to be tried again", async () => {
  const pair = memoryPair();
  const server = serveTestService(pair.server);
  const client = createClient(Trial, connectTransport(pair.client));
  const running = client.hangStream({}, { timeoutMs: 300 })[Symbol.asyncIterator]();
  await running.next();
  let drained = false;
  const draining = server.goAway("restarting").then(() => {
    drained = true;
  });
  const racing = await sendRaw(pair.client, requestOf("Echo", 900n));
  const [refusal] = await framesOf(racing);
  assert.ok(refusal instanceof StreamError && refusal.code === StreamCode.refused);
  await assert.rejects(client.echo({}), { code: Code.Unavailable, message: /shutting down: restarting/ });
  assert.equal(drained, false);
  await assert.rejects(running.next(), { code: Code.DeadlineExceeded });
  await draining;
  await server.goAway();
  await pair.close();
});

test("a call that crosses the server's goodbye on its way is known never to have run", async () => {
  const pair = memoryPair();
  const server = serveTestService(pair.server);
  const client = createClient(Trial, connectTransport(pair.client));
  const call = client.echo({});
  void server.goAway();
  await assert.rejects(call, wasRefused);
  await pair.close();
});

test("one signal drains every session that was given it", async () => {
  const pairs = [memoryPair(), memoryPair()];
  const drain = new AbortController();
  for (const pair of pairs) serveTestService(pair.server, { drain: drain.signal });
  const clients = pairs.map(pair => createClient(Trial, connectTransport(pair.client)));
  for (const client of clients) await client.echo({});
  drain.abort();
  for (const client of clients) await assert.rejects(client.echo({}), { code: Code.Unavailable });
  for (const pair of pairs) await pair.close();
});

test("a question is answered, and of a flood of questions the last", async () => {
  const pair = memoryPair();
  serveTestService(pair.server);
  const control = await controlBy(pair.client);
  for (let token = 1n; token <= 500n; token++) await control.say({ case: "ping", value: { token } });
  for await (const said of controls(pair.client)) {
    assert.equal(said.case, "pong");
    if (said.value?.token === 500n) break;
  }
  await pair.close();
});

test("a server whose program hangs is given up after the questions it may miss", async () => {
  const pair = memoryPair();
  const client = createClient(Trial, connectTransport(pair.client, { liveness: quick }));
  await assert.rejects(client.echo({}), { code: Code.Unavailable, message: /no answer from the other side/ });
  assert.equal((await pair.server.closed).kind, "peer");
});

test("a caller whose program hangs is given up, too, and its handlers hear of it", async () => {
  const pair = memoryPair();
  const server = serveTestService(pair.server, { liveness: quick });
  await sendRaw(pair.client, requestOf("Hang", 1n), { open: true });
  assert.equal((await server.closed).kind, "local");
  await until("the handler ended", () => server.activeCalls === 0);
});

test("a peer that answers is asked on and on and kept", async () => {
  const pair = memoryPair();
  serveTestService(pair.server, { liveness: quick });
  const client = createClient(Trial, connectTransport(pair.client, { liveness: quick }));
  await assert.rejects(client.hang({}, { timeoutMs: 600 }), { code: Code.DeadlineExceeded });
  await client.echo({});
  await pair.close();
});

test("nobody is asked while nothing is under way", async () => {
  const pair = memoryPair();
  connectTransport(pair.client, { liveness: quick });
  let asked = false;
  const listening = (async () => {
    for await (const _ of controls(pair.server)) asked = true;
  })();
  await new Promise(resolve => setTimeout(resolve, 200));
  await pair.close();
  await listening.catch(() => undefined);
  assert.equal(asked, false);
});

for (const [what, bytes] of [
  ["garbage", new Uint8Array(100).fill(255)],
  ["a frame of a call", encodeFrame(FrameType.data, Uint8Array.of(1))],
  ["a message over 1 KiB", Uint8Array.of(FrameType.control, 0, 0, 4, 1)],
] as const) {
  test(`a peer that sends ${what} on its control stream loses the session`, async () => {
    const pair = memoryPair();
    const server = serveTestService(pair.server);
    const control = await controlBy(pair.client);
    await control.write(bytes);
    assert.deepEqual([(await server.closed).kind, (await server.closed).code], ["local", StreamCode.internal]);
  });
}

test("a peer that says something this version does not know is not blamed for it", async () => {
  const pair = memoryPair();
  serveTestService(pair.server);
  const control = await controlBy(pair.client);
  await control.write(encodeFrame(FrameType.control, Uint8Array.of(0x7a, 0)));
  await createClient(Trial, connectTransport(pair.client)).echo({});
  await pair.close();
});

test("a second control stream is refused", async () => {
  const pair = memoryPair();
  serveTestService(pair.server);
  const first = await controlBy(pair.client);
  await first.say({ case: "ping", value: { token: 1n } });
  const second = await pair.client.openUni();
  await second.write(Uint8Array.of(1));
  await until("it is stopped", () =>
    second.write(Uint8Array.of(1)).then(
      () => false,
      () => true,
    ),
  );
  await createClient(Trial, connectTransport(pair.client)).echo({});
  await pair.close();
});
