import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { StreamCode, StreamError } from "../../src/lib/stream.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { wasRefused } from "../../src/transport/errors.ts";
import { encodeFrame, FrameType } from "../../src/transport/frames.ts";
import { encodeEnd, encodeResponseHead } from "../../src/transport/messages.ts";
import type { ServeOptions } from "../../src/transport/server.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { until } from "../until.ts";
import { Trial } from "./gen/drvthru/transport/test/v1/test_pb.js";
import { controlBy, emptyAnswer, framesOf, headOf, requestOf, sendRaw } from "./raw.ts";
import { serveTestService } from "./trial.ts";

function served(options: ServeOptions = {}) {
  const pair = memoryPair();
  const server = serveTestService(pair.server, options);
  return { ...pair, session: pair.client, server };
}

function isReset(error: unknown, code: number): void {
  assert.ok(error instanceof StreamError && error.kind === "reset", `a reset, not ${error}`);
  assert.equal(error.code, code);
}

test("the most calls at once run; one more is refused and may be tried again", async () => {
  const { session, server, close } = served({ limits: { maxCalls: 3 } });
  const client = createClient(Trial, connectTransport(session));
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const atGate = client.echo({}, { signal, headers: { "x-gate": "wait" } });
  const running = [atGate, client.hang({}, { signal }), client.hang({}, { signal })];
  const ended = running.map(call => assert.rejects(call, { code: Code.Canceled }));
  await until("three run", () => server.activeCalls === 3);
  await assert.rejects(client.echo({}), error => {
    assert.ok(error instanceof ConnectError && error.code === Code.Unavailable);
    assert.ok(wasRefused(error), "known never to have run");
    return true;
  });
  giveUp.abort();
  await Promise.all(ended);
  await until("none run", () => server.activeCalls === 0);
  await client.echo({});
  await close();
});

test("streams without a head wait within their number; one more waits until one expires", async () => {
  const { session, close } = served({ limits: { maxHalfOpen: 2, headTimeoutMs: 400 } });
  const client = createClient(Trial, connectTransport(session));
  const half = Uint8Array.of(FrameType.head, 0);
  const first = await sendRaw(session, half, { open: true });
  await client.echo({});
  const second = await sendRaw(session, half, { open: true });
  const order: string[] = [];
  const expired = [first, second].map(async (stream, at) => {
    const [error] = await framesOf(stream);
    isReset(error, StreamCode.refused);
    order.push(`expired ${at}`);
  });
  await client.echo({}).then(() => order.push("answered"));
  await Promise.all(expired);
  assert.equal(order.indexOf("answered") > 0, true, "the call waited for one to expire");
  await close();
});

test("a stream whose head comes in time is answered, however slowly its bytes come", async () => {
  const { session, close } = served();
  const stream = await session.open();
  for (const byte of requestOf("Echo", 1n)) await stream.write(Uint8Array.of(byte));
  await stream.finish();
  assert.deepEqual(await framesOf(stream), emptyAnswer);
  await close();
});

test("cancels that overtake their call are remembered up to their number; the oldest is forgotten", async () => {
  const { session, close } = served({ limits: { maxEarlyCancels: 2 } });
  const control = await controlBy(session);
  for (const callId of [1n, 2n, 3n]) await control.say({ case: "cancel", value: { callId, code: StreamCode.cancel } });
  await createClient(Trial, connectTransport(session)).observed({});
  for (const callId of [12n, 13n]) await control.say({ case: "cancel", value: { callId, code: StreamCode.cancel } });
  await createClient(Trial, connectTransport(session)).observed({});
  assert.deepEqual(await framesOf(await sendRaw(session, requestOf("Echo", 3n))), emptyAnswer, "forgotten");
  for (const id of [12n, 13n])
    isReset((await framesOf(await sendRaw(session, requestOf("Echo", id))))[0], StreamCode.cancel);
  assert.deepEqual(await framesOf(await sendRaw(session, requestOf("Echo", 14n))), emptyAnswer);
  await close();
});

test("a call without a number, or with that of another call, is refused", async () => {
  const { session, server, close } = served();
  await sendRaw(session, requestOf("Hang", 5n), { open: true });
  await until("it runs", () => server.activeCalls === 1);
  for (const id of [0n, 5n])
    isReset((await framesOf(await sendRaw(session, requestOf("Echo", id))))[0], StreamCode.internal);
  await close();
});

const frame = encodeFrame;
const wrongs: [string, Uint8Array][] = [
  ["that begins with DATA", frame(FrameType.data, Uint8Array.of(1))],
  ["that begins with END", encodeEnd()],
  ["that begins with CONTROL", frame(FrameType.control, Uint8Array.of(1))],
  ["with a head of garbage", frame(FrameType.head, new Uint8Array(100).fill(255))],
  ["with a head over 64 KiB", Uint8Array.of(FrameType.head, 0, 1, 0, 1)],
  ["with a second HEAD", Buffer.concat([headOf("Echo", 1000n), headOf("Echo", 1000n)])],
  ["with a CONTROL inside", Buffer.concat([headOf("Echo", 1000n), frame(FrameType.control, Uint8Array.of(1))])],
  ["with trailers of garbage", Buffer.concat([headOf("Echo", 1000n), frame(FrameType.end, Uint8Array.of(255))])],
];
for (const [what, bytes] of wrongs) {
  test(`a request ${what} is reset, and the session lives on`, async () => {
    const { session, server, close } = served();
    isReset((await framesOf(await sendRaw(session, bytes))).at(-1), StreamCode.internal);
    await createClient(Trial, connectTransport(session)).echo({});
    await until("nothing is left", () => server.activeCalls === 0);
    await close();
  });
}

test("a request that ends without END is a broken one, never a shorter one", async () => {
  const { session, server, close } = served();
  const client = createClient(Trial, connectTransport(session));
  const message = Uint8Array.of(0, 0, 0, 0, 2, 10, 0);
  const headers = { "x-mark": "cut", "content-type": "application/connect+proto" };
  const cut = Buffer.concat([headOf("Upload", 1000n, headers), frame(FrameType.data, message)]);
  await framesOf(await sendRaw(session, cut));
  await until("the handler heard of it", async () => (await client.observed({ mark: "cut" })).aborted === 1);
  await until("nothing is left", () => server.activeCalls === 0);
  const whole = Buffer.concat([headOf("Upload", 1001n, headers), frame(FrameType.data, message), encodeEnd()]);
  assert.equal((await framesOf(await sendRaw(session, whole))).at(-1), FrameType.end);
  await close();
});

test("an answer that ends without END is an error, never a shorter answer", async () => {
  const pair = memoryPair();
  const client = createClient(Trial, connectTransport(pair.client));
  const failed = assert.rejects(client.echo({}), { code: Code.Unavailable });
  const stream = await pair.server.accept();
  const header = new Headers({ "content-type": "application/proto" });
  await stream?.write(encodeResponseHead({ status: 200, header }));
  await stream?.finish();
  await failed;
  await pair.close();
});
