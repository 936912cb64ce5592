import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { Code, ConnectError, type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import type { Duplex, Session } from "../../src/lib/stream.ts";
import { bulkTransport } from "../../src/transport/bulk.ts";
import { bulkAnswers } from "../../src/transport/bulk-answers.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { zstdCompression } from "../../src/transport/compression.ts";
import { FrameDecoder, FrameType } from "../../src/transport/frames.ts";
import { routerOptions } from "../../src/transport/limits.ts";
import { serveSession } from "../../src/transport/server.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { Trial } from "./gen/drvthru/transport/test/v1/test_pb.js";
import { serveTestService, trialRouter } from "./trial.ts";

const LARGE = 16 * 1024;
const MOST = 4 * 1024 * 1024;

async function* chunks(...sizes: number[]) {
  for (const size of sizes) yield { data: new Uint8Array(size).fill(size % 251) };
}

function pair(t: TestContext) {
  const made = memoryPair();
  t.after(() => made.close());
  return made;
}

/** The body of a call's request as it goes over the wire, when nobody answers. */
async function bodyOf(
  t: TestContext,
  make: (session: Session) => ReturnType<typeof connectTransport>,
  sizes: number[],
) {
  const { client, server } = pair(t);
  const answer = createClient(Trial, make(client)).upload(chunks(...sizes));
  const body = await dataOf((await server.accept()) as Duplex);
  await client.close();
  await assert.rejects(answer);
  return body;
}

async function dataOf(duplex: Duplex): Promise<Buffer> {
  const decoder = new FrameDecoder();
  const data: Uint8Array[] = [];
  for (let bytes = await duplex.read(); bytes !== undefined; bytes = await duplex.read()) {
    for (const { type, payload } of decoder.feed(bytes)) if (type === FrameType.data) data.push(payload);
  }
  return Buffer.concat(data);
}

test("messages with large fields are the same on the wire as Connect makes them", async t => {
  const sizes = [0, 1, LARGE - 1, LARGE, LARGE + 1, 70_000, 3, 1_000_000];
  const plain = await bodyOf(t, session => connectTransport(session), sizes);
  const bulk = await bodyOf(t, session => bulkTransport(session), sizes);
  assert.ok(plain.equals(bulk), `${plain.length} and ${bulk.length} bytes`);
});

test("large messages come back as they were, in their order", async t => {
  const { client, server } = pair(t);
  serveTestService(server);
  const sent = [randomBytes(LARGE), randomBytes(5), randomBytes(300_000), new Uint8Array()].map(data => ({ data }));
  const chat = createClient(Trial, bulkTransport(client)).chat(
    (async function* () {
      yield* sent;
    })(),
  );
  const back = await Array.fromAsync(chat);
  assert.deepEqual(
    back.map(({ data }) => Buffer.from(data)),
    sent.map(({ data }) => Buffer.from(data)),
  );
});

test("large fields of answers go past Connect as well, and come as they were: in Protobuf and in JSON, compressed or not", async t => {
  const { client, server } = pair(t);
  serveSession(server, trialRouter(() => 0, { interceptors: [bulkAnswers] }).handlers);
  const sent = [randomBytes(LARGE), randomBytes(5), Buffer.alloc(300_000), new Uint8Array()].map(data => ({ data }));
  const zstd = { acceptCompression: [zstdCompression], sendCompression: zstdCompression };
  for (const options of [{}, { useBinaryFormat: false }, zstd]) {
    const chat = createClient(Trial, connectTransport(client, options)).chat(
      (async function* () {
        yield* sent;
      })(),
    );
    const back = await Array.fromAsync(chat, ({ data }) => Buffer.from(data));
    assert.deepEqual(
      back,
      sent.map(({ data }) => Buffer.from(data)),
    );
  }
});

test("where nobody puts large fields back, they stay where they are", async () => {
  const routes = (router: ConnectRouter) =>
    router.service(Trial, {
      async *chat(requests) {
        yield* requests;
      },
    });
  const transport = createRouterTransport(routes, { router: { ...routerOptions, interceptors: [bulkAnswers] } });
  const back = await Array.fromAsync(createClient(Trial, transport).chat(chunks(LARGE, 5)));
  assert.deepEqual(
    back.map(({ data }) => data.length),
    [LARGE, 5],
  );
});

test("an answer that is too large is refused in Connect's words", async t => {
  const { client, server } = pair(t);
  serveSession(server, trialRouter(() => 0, { interceptors: [bulkAnswers] }).handlers);
  const download = createClient(Trial, connectTransport(client)).download({ count: 2, size: MOST - 4 });
  await assert.rejects(
    Array.fromAsync(download),
    (error: unknown) => ConnectError.from(error).code === Code.ResourceExhausted,
  );
});

test("a message of 4 MiB is sent, and one that is a byte larger is not", async t => {
  const { client, server } = pair(t);
  serveTestService(server);
  const upload = (size: number) => createClient(Trial, bulkTransport(client)).upload(chunks(size));
  // The field's tag and length take 5 bytes.
  assert.equal((await upload(MOST - 5)).bytes, BigInt(MOST - 5));
  await assert.rejects(upload(MOST - 4), (error: unknown) => ConnectError.from(error).code === Code.ResourceExhausted);
});

test("what makes the messages hears that the call was given up", async t => {
  const { client } = pair(t);
  const over = Promise.withResolvers<unknown>();
  async function* endless() {
    try {
      for (;;) yield { data: new Uint8Array(LARGE) };
    } catch (error) {
      over.resolve(error);
      throw error;
    } finally {
      over.resolve(undefined);
    }
  }
  const abort = new AbortController();
  const upload = createClient(Trial, bulkTransport(client)).upload(endless(), { signal: abort.signal });
  setImmediate(() => abort.abort(new Error("given up")));
  await assert.rejects(upload, (error: unknown) => ConnectError.from(error).code === Code.Canceled);
  assert.ok(await over.promise);
});
