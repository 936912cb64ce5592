import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectError, createClient } from "@connectrpc/connect";
import fc from "fast-check";
import { connectTransport } from "../../src/transport/client.ts";
import { encodeEnd, encodeResponseHead } from "../../src/transport/messages.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { until } from "../until.ts";
import { Trial } from "./gen/drvthru/transport/test/v1/test_pb.js";
import { framesOf, headOf, requestOf } from "./raw.ts";
import { serveTestService } from "./trial.ts";

const options = { limits: { headTimeoutMs: 50 } };

/** Sends bytes as a call, or on a control stream, and sees that the server still answers others. */
async function attack(bytes: Uint8Array, cut: number, how: "finish" | "reset" | "control"): Promise<void> {
  const pair = memoryPair({ readBytes: cut });
  const server = serveTestService(pair.server, options);
  const duplex = await pair.client.open();
  const out = how === "control" ? await pair.client.openUni() : duplex;
  await out.write(bytes).catch(() => undefined);
  if (how === "reset") out.reset(1);
  else await out.finish().catch(() => undefined);
  if (how === "finish") await framesOf(duplex);
  await until("nothing is left", () => server.activeCalls === 0);
  const echo = createClient(Trial, connectTransport(pair.client))
    .echo({})
    .then(
      () => true,
      () => false,
    );
  assert.ok((await echo) || how === "control", "only a broken control stream ends a session");
  await pair.close();
}

const how = fc.constantFrom("finish", "reset", "control");
const cut = fc.integer({ min: 1, max: 64 });

test("random bytes neither break nor hang a served session", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), cut, how, attack), { numRuns: 150 });
});

test("a request damaged anywhere neither breaks nor hangs a served session", async () => {
  const streaming = { "content-type": "application/connect+proto" };
  const whole = fc.constantFrom(
    requestOf("Echo", 1n),
    requestOf("Fail", 1n),
    Buffer.concat([headOf("Upload", 1n, streaming), Uint8Array.of(2, 0, 0, 0, 7, 0, 0, 0, 0, 2, 10, 0), encodeEnd()]),
    Buffer.concat([headOf("Chat", 1n, streaming), Uint8Array.of(2, 0, 0, 0, 5, 0, 255, 255, 255, 255), encodeEnd()]),
  );
  const damage = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
  const property = fc.asyncProperty(whole, damage, cut, how, async (bytes, hits, size, way) => {
    const hurt = Uint8Array.from(bytes);
    for (const [at, value] of hits) hurt[at % hurt.length] = value;
    await attack(hurt, size, way);
  });
  await fc.assert(property, { numRuns: 250 });
});

test("an answer of random or damaged bytes fails its call, never the caller's program", async () => {
  const header = new Headers({ "content-type": "application/proto" });
  const answer = Buffer.concat([
    encodeResponseHead({ status: 200, header }),
    Uint8Array.of(2, 0, 0, 0, 2, 10, 0),
    encodeEnd(),
  ]);
  const damaged = fc
    .tuple(fc.nat(answer.length - 1), fc.integer({ min: 0, max: 255 }))
    .map(([at, value]) => answer.with(at, value));
  const property = fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), cut, async (bytes, size) => {
    const pair = memoryPair({ readBytes: size });
    const call = createClient(Trial, connectTransport(pair.client)).echo({});
    const ended = call.then(
      () => undefined,
      error => assert.ok(error instanceof ConnectError, `a ConnectError, not ${error}`),
    );
    const stream = await pair.server.accept();
    await stream?.write(bytes).catch(() => undefined);
    await stream?.finish().catch(() => undefined);
    await ended;
    await pair.close();
  });
  await fc.assert(property, { numRuns: 300 });
});
