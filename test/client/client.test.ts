import assert from "node:assert/strict";
import { test } from "node:test";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createConnectRouter } from "@connectrpc/connect";
import { BuildOutcome, BuildState } from "../../gen/drvthru/v1/build_pb.js";
import { Reason, RefusalSchema } from "../../gen/drvthru/v1/common_pb.js";
import { Status } from "../../gen/drvthru/v1/status_pb.js";
import { TicketStatus, Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import type { BuilderClient } from "../../src/client/builder.ts";
import { builderClient } from "../../src/client/client.ts";
import { servicesOf } from "../../src/client/connection/services.ts";
import { toFailure } from "../../src/client/errors.ts";
import { Failure } from "../../src/lib/failure.ts";
import { StreamError } from "../../src/lib/stream.ts";
import { routerOptions } from "../../src/transport/limits.ts";
import { serveSession } from "../../src/transport/server.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { refusal } from "./builder-transfers.ts";

const at = timestampFromDate(new Date("2026-01-02T03:04:05Z"));
const id = new Uint8Array(32).fill(0xab);
const record = {
  id,
  name: "fri\u001b[2Jend",
  status: TicketStatus.ACTIVE,
  createdAt: at,
  expiresAt: at,
  uses: 3n,
  usesCommitted: 1n,
  maxBuildSeconds: 1800n,
  maxUploadBytes: 20n << 30n,
};
const running = {
  buildId: id,
  state: BuildState.RUNNING,
  client: "ticket:friend",
  installable: "x\nevil",
  openedAt: at,
};
const ended = {
  ...running,
  state: BuildState.FINISHED,
  result: { outcome: BuildOutcome.BUILDER_FAILED, reason: Reason.RESTARTED },
};

/** An administrator's connection to a builder that answers with the above. */
function administrator(asked: unknown[] = []): BuilderClient {
  const router = createConnectRouter(routerOptions);
  router.service(Tickets, {
    create: request => {
      asked.push(request);
      return { ticket: "drvthruxyz", record };
    },
    async *list() {
      yield { tickets: [record, record] };
      yield { tickets: [record] };
    },
    inspect: request => {
      if (request.id === "none") throw refusal(Reason.TICKET_UNKNOWN, "ticket not found: none");
      if (request.id === "two") throw refusal(Reason.MALFORMED, "ab begins the ids of more than one ticket");
      return { record };
    },
    reveal: () => ({ ticket: "drvthruxyz", record }),
    revoke: ({ now }) => ({ record, refunded: 1, cancelled: now ? 2 : 0 }),
  });
  router.service(Status, {
    get: () => ({ status: { endpointId: id, version: "1", startedAt: at, active: [running], recent: [ended] } }),
    async *watch(_request, { signal }) {
      for (let activeCount = 0; !signal.aborted; activeCount++) yield { status: { startedAt: at, activeCount } };
    },
  });
  const { client, server } = memoryPair({ calls: "one" });
  serveSession(server, router.handlers);
  return builderClient(servicesOf(client), undefined, { build: () => assert.fail(), close: () => client.close() });
}

test("a program administrates tickets as plain data", async () => {
  const asked: unknown[] = [];
  await using client = administrator(asked);
  const options = { expiresSeconds: 60, uses: "unlimited", maxBuildSeconds: 5, maxUploadBytes: 7 } as const;
  const { text, ticket } = await client.tickets.create({ ...options, boundClient: "cd".repeat(32) });
  assert.equal(text, "drvthruxyz");
  assert.partialDeepStrictEqual(asked[0], { expiresSeconds: 60n, uses: 0n, maxBuildSeconds: 5n, maxUploadBytes: 7n });
  assert.deepEqual(ticket, {
    id: "ab".repeat(32),
    name: "friend",
    status: "active",
    createdAt: new Date("2026-01-02T03:04:05Z"),
    expiresAt: new Date("2026-01-02T03:04:05Z"),
    uses: 3,
    usesCommitted: 1,
    usesReserved: 0,
    maxBuildSeconds: 1800,
    maxUploadBytes: 20 * 2 ** 30,
    boundClient: undefined,
    revokedAt: undefined,
  });
  assert.equal((await Array.fromAsync(client.tickets.list())).length, 3);
  assert.equal((await client.tickets.inspect("ab")).name, "friend");
  assert.equal((await client.tickets.reveal("ab")).text, "drvthruxyz");
  assert.deepEqual(await client.tickets.revoke("ab", { now: true }), { ticket, refunded: 1, cancelled: 2 });
});

test("an unknown ticket is a failure that a program can switch on", async () => {
  await using client = administrator();
  await assert.rejects(client.tickets.inspect("none"), {
    code: "failed",
    reason: "ticket-unknown",
    message: "ticket not found: none",
  });
});

test("an id that two tickets begin with is a usage error, with what the builder says of it", async () => {
  await using client = administrator();
  const failure = { code: "usage", who: "the builder", message: /^ab begins the ids of more than one ticket/ };
  await assert.rejects(client.tickets.inspect("two"), failure);
});

test("a client id that is none is a usage error before anything is asked", async () => {
  const asked: unknown[] = [];
  await using client = administrator(asked);
  const options = { expiresSeconds: 60, uses: 1, maxBuildSeconds: 5, maxUploadBytes: 7, boundClient: "me" };
  await assert.rejects(client.tickets.create(options), { code: "usage" });
  assert.equal(asked.length, 0);
});

test("a status is plain data in one line per text", async () => {
  await using client = administrator();
  const status = await client.status();
  assert.equal(status.endpointId, "ab".repeat(32));
  assert.partialDeepStrictEqual(status.active[0], { state: "running", client: "ticket:friend", installable: "x evil" });
  assert.partialDeepStrictEqual(status.recent[0]?.result, { outcome: "builder-failed", reason: "restarted" });
});

test("watching the status ends when the loop is left, and when the signal fires", { timeout: 10_000 }, async () => {
  await using client = administrator();
  const seen: number[] = [];
  for await (const status of client.watchStatus()) if (seen.push(status.activeCount) === 3) break;
  assert.deepEqual(seen, [0, 1, 2]);
  const abort = new AbortController();
  for await (const _ of client.watchStatus({ signal: abort.signal })) abort.abort();
});

test("what the wire throws becomes a failure that says who and what to do", () => {
  const of = (error: unknown) => {
    const { code, who, message, reason, fix } = toFailure(error, "trying");
    return { code, who, message, reason, fix };
  };
  const secret = new Failure("usage", "this machine", "own");
  assert.equal(toFailure(secret, "x"), secret);
  assert.equal(toFailure(new ConnectError("x", Code.Internal, undefined, undefined, secret), "x"), secret);
  const escaped = of(refusal(Reason.DISK_FULL, "disk \u001b[31mfull\u0007", "rm\u001b[2J x"));
  assert.deepEqual(escaped, {
    code: "busy",
    who: "the builder",
    message: "disk full",
    reason: "disk-full",
    fix: "rm x",
  });
  const lost = of(new StreamError("lost", 0, "gone"));
  assert.deepEqual([lost.code, lost.who, lost.reason], ["unreachable", "the network", "connection-lost"]);
  assert.equal(of(new ConnectError("x", Code.Unavailable)).reason, "connection-lost");
  assert.deepEqual(of(new ConnectError("x".repeat(9000), Code.Internal)).message.length < 4200, true);
  const unknown = new ConnectError("new", Code.FailedPrecondition, undefined, [
    { desc: RefusalSchema, value: { reason: 999 } },
  ]);
  assert.deepEqual(of(unknown), {
    code: "failed",
    who: "the builder",
    message: "new",
    reason: undefined,
    fix: undefined,
  });
});

test("a call that is aborted with a failure of ours fails with that one", async () => {
  const { client, server } = memoryPair();
  const router = createConnectRouter(routerOptions);
  router.service(Status, { get: () => new Promise<never>(() => {}) });
  serveSession(server, router.handlers);
  const abort = new AbortController();
  const stalled = new Failure("unreachable", "the network", "nothing moves", { reason: "connection-lost" });
  const call = servicesOf(client).status.get({}, { signal: abort.signal });
  setImmediate(() => abort.abort(stalled));
  await assert.rejects(call, error => toFailure(error, "x") === stalled);
  await client.close();
});
