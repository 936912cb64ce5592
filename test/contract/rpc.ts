import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Session } from "../../src/lib/stream.ts";
import { connectTransport, type TransportOptions } from "../../src/transport/client.ts";
import { gzipCompression, zstdCompression } from "../../src/transport/compression.ts";
import { Absent, EchoRequestSchema, Trial } from "../transport/gen/drvthru/transport/test/v1/test_pb.js";
import { serveTestService } from "../transport/trial.ts";
import { until } from "../until.ts";
import type { SessionFactory } from "./session.ts";
import { whenStill } from "./stalls.ts";

/** A caller's session whose other side, perhaps in another process, runs `serveTestService`. */
export interface RpcPair {
  readonly client: Session;
  close(): Promise<void>;
  /** Cuts the wire or kills the server's program, where a test can. */
  kill?(): void;
}

/** A carrier under the contract. */
export interface RpcFactory {
  readonly name: string;
  connect(): Promise<RpcPair>;
}

/** Serves the test service at the far end of a pair in this process. */
export function servedHere({ name, connect }: SessionFactory): RpcFactory {
  return {
    name,
    connect: async () => {
      const pair = await connect();
      serveTestService(pair.server);
      return pair;
    },
  };
}

/** Every kind of call, everything that can go wrong with one, over one carrier. What the server saw is asked by RPC. */
export function rpcContract(factory: RpcFactory): void {
  const check: Check = (name, run) =>
    test(`${factory.name}: ${name}`, async () => {
      const pair = await factory.connect();
      try {
        await run(new Caller(pair));
      } finally {
        await pair.close();
      }
    });
  calls(check);
  codings(check);
  cancels(check);
  pressure(check);
  failures(check);
  gates(check);
  many(check);
}

type Check = (name: string, run: (caller: Caller) => Promise<void>) => void;

let marks = 0;

class Caller {
  readonly pair: RpcPair;
  readonly client: Client<typeof Trial>;
  readonly mark = `mark-${process.pid}-${++marks}`;

  constructor(pair: RpcPair) {
    this.pair = pair;
    this.client = this.with({});
  }

  get headers(): Record<string, string> {
    return { "x-mark": this.mark };
  }

  with(options: TransportOptions): Client<typeof Trial> {
    return createClient(Trial, connectTransport(this.pair.client, options));
  }

  readonly observed = () => this.client.observed({ mark: this.mark });

  /** Waits until the server has seen this many of the marked handlers aborted, and ended. */
  readonly sawAborted = async (count: number): Promise<void> => {
    await until(`${count} handlers aborted`, async () => (await this.observed()).aborted === count);
    await this.sawEnded(count);
  };

  /** Waits until this many of the marked handlers have ended, and nothing is under way. */
  readonly sawEnded = async (count: number): Promise<void> => {
    await until(`${count} handlers ended`, async () => (await this.observed()).ended === count);
    await until("nothing under way", async () => (await this.observed()).active === 1);
  };

  readonly began = async (count: number): Promise<void> => {
    await until(`${count} handlers began`, async () => (await this.observed()).began === count);
  };
}

function data(length: number, value = 7): { data: Uint8Array } {
  return { data: new Uint8Array(length).fill(value) };
}

async function* chunks(count: number, size: number) {
  for (let at = 0; at < count; at++) yield data(size, at);
}

/** Chunks without end; `pulled` says how many were taken. */
function endless(size: number): { pulled: () => number; source: AsyncGenerator<{ data: Uint8Array }> } {
  let pulled = 0;
  async function* source() {
    for (;;) {
      yield data(size);
      pulled++;
    }
  }
  return { pulled: () => pulled, source: source() };
}

/** A source of messages that gives what it is told to. */
function feed(): { send: (size: number) => void; end: () => void; source: AsyncIterable<{ data: Uint8Array }> } {
  const queue: (number | undefined)[] = [];
  let wake = () => {};
  const put = (size: number | undefined) => {
    queue.push(size);
    wake();
  };
  async function* source() {
    for (;;) {
      while (queue.length === 0) {
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
      const size = queue.shift();
      if (size === undefined) return;
      yield data(size);
    }
  }
  return { send: put, end: () => put(undefined), source: source() };
}

function failsWith(code: Code, message?: RegExp): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof ConnectError, `a ConnectError, not ${error}`);
    assert.equal(Code[error.code], Code[code], error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

async function drain(messages: AsyncIterable<{ data: Uint8Array }>): Promise<number[]> {
  const sizes: number[] = [];
  for await (const { data } of messages) sizes.push(data.length);
  return sizes;
}

function calls(check: Check): void {
  check("a unary call carries its message, headers, trailers and the caller's id", async ({ client, pair }) => {
    let header = "";
    let trailer = "";
    const answer = await client.echo(data(100), {
      headers: { "x-say": "hello" },
      onHeader: headers => {
        header = headers.get("x-echo") ?? "";
      },
      onTrailer: headers => {
        trailer = headers.get("x-echo-trailer") ?? "";
      },
    });
    assert.equal(answer.data.length, 100);
    assert.ok(!Buffer.isBuffer(answer.data));
    assert.deepEqual([header, trailer, answer.peer], ["hello", "hello", pair.client.local ?? ""]);
  });

  check("an empty message is a message", async ({ client }) => {
    assert.equal((await client.echo({})).data.length, 0);
    assert.deepEqual(await drain(client.chat(chunks(3, 0))), [0, 0, 0]);
    assert.equal((await client.upload(chunks(0, 0))).messages, 0);
  });

  check("a server stream carries its messages, headers and trailers", async ({ client }) => {
    let header = "";
    let trailer = "";
    const answer = client.download(
      { count: 5, size: 100_000 },
      {
        headers: { "x-say": "hello" },
        onHeader: headers => {
          header = headers.get("x-echo") ?? "";
        },
        onTrailer: headers => {
          trailer = headers.get("x-echo-trailer") ?? "";
        },
      },
    );
    assert.deepEqual(await drain(answer), [100_000, 100_000, 100_000, 100_000, 100_000]);
    assert.deepEqual([header, trailer], ["hello", "hello"]);
  });

  check("a client stream carries its messages", async ({ client }) => {
    const answer = await client.upload(chunks(20, 10_000));
    assert.deepEqual([answer.bytes, answer.messages], [200_000n, 20]);
  });

  check("both directions of a bidi call run at once", async ({ client }) => {
    const { send, end, source } = feed();
    const answers = client.chat(source)[Symbol.asyncIterator]();
    for (const size of [1, 100_000, 3]) {
      send(size);
      assert.equal((await answers.next()).value?.data.length, size);
    }
    end();
    assert.equal((await answers.next()).done, true);
  });

  check("a bidi call answers before the caller has said anything but hello", async ({ client }) => {
    const { source, end } = feed();
    const headers = Promise.withResolvers<void>();
    const answers = client.chat(source, { headers: { "x-read": "greet" }, onHeader: () => headers.resolve() });
    const all = drain(answers);
    await headers.promise;
    end();
    assert.deepEqual(await all, [1]);
  });

  check("a server may end a bidi call first", async ({ client, headers, sawEnded }) => {
    const { source } = endless(10);
    const answers = client.chat(source, { headers: { ...headers, "x-read": "one" } });
    assert.deepEqual(await drain(answers), [10]);
    await sawEnded(1);
  });

  check("a method that the server does not have is unimplemented", async ({ pair }) => {
    const absent = createClient(Absent, connectTransport(pair.client));
    await assert.rejects(absent.call({}), failsWith(Code.Unimplemented));
  });
}

function codings(check: Check): void {
  for (const compression of [gzipCompression, zstdCompression]) {
    check(`${compression.name} is used both ways`, async caller => {
      const client = caller.with({ sendCompression: compression, acceptCompression: [compression] });
      let encoding = "";
      const answer = await client.echo(data(100_000), {
        onHeader: headers => {
          encoding = headers.get("content-encoding") ?? "";
        },
      });
      assert.deepEqual([answer.data.length, encoding], [100_000, compression.name]);
      assert.ok(!Buffer.isBuffer(answer.data), "bytes are a plain Uint8Array");
      assert.deepEqual(await drain(client.chat(chunks(3, 50_000))), [50_000, 50_000, 50_000]);
    });
  }

  check("messages may be JSON, and reading calls GET", async caller => {
    const client = caller.with({ useBinaryFormat: false, useHttpGet: true });
    assert.deepEqual((await client.echo(data(3))).data, Uint8Array.of(7, 7, 7));
    assert.deepEqual(await drain(client.chat(chunks(2, 9))), [9, 9]);
  });

  check("a message at the reader's limit passes and one byte more does not", async caller => {
    const most = 4 * 1024 * 1024;
    const client = caller.with({ writeMaxBytes: 2 * most, readMaxBytes: 2 * most });
    // A Chunk of 4 MiB carries a tag and a length of four bytes.
    assert.equal((await client.upload(chunks(1, most - 5))).bytes, BigInt(most - 5));
    await assert.rejects(client.upload(chunks(1, most - 4)), failsWith(Code.ResourceExhausted));
    const small = caller.with({ readMaxBytes: 1003 });
    assert.deepEqual(await drain(small.download({ count: 1, size: 1000 })), [1000]);
    await assert.rejects(drain(small.download({ count: 1, size: 1001 })), failsWith(Code.ResourceExhausted));
  });

  check("a compressed message that unpacks to more than the limit is refused", async caller => {
    for (const compression of [gzipCompression, zstdCompression]) {
      const client = caller.with({ sendCompression: compression, writeMaxBytes: 16 * 1024 * 1024 });
      await assert.rejects(client.echo(data(5 * 1024 * 1024)), failsWith(Code.ResourceExhausted));
    }
  });
}

function cancels(check: Check): void {
  check("a deadline reaches the handler and ends the call", async ({ client, headers, sawAborted }) => {
    const { timeoutMs } = await client.echo({}, { timeoutMs: 60_000 });
    assert.ok(timeoutMs > 0 && timeoutMs <= 60_000);
    await assert.rejects(client.hang({}, { headers, timeoutMs: 200 }), failsWith(Code.DeadlineExceeded));
    await sawAborted(1);
  });

  check(
    "a caller who gives up a unary call is noticed by its handler",
    async ({ client, headers, began, sawAborted }) => {
      const giveUp = new AbortController();
      const call = client.hang({}, { headers, signal: giveUp.signal });
      await Promise.all([began(1).then(() => giveUp.abort()), assert.rejects(call, failsWith(Code.Canceled))]);
      await sawAborted(1);
    },
  );

  check("a caller who gives up a stream is noticed by its handler", async ({ client, headers, sawAborted }) => {
    const giveUp = new AbortController();
    const answers = client.hangStream({}, { headers, signal: giveUp.signal })[Symbol.asyncIterator]();
    assert.equal((await answers.next()).done, false);
    giveUp.abort();
    await assert.rejects(answers.next(), failsWith(Code.Canceled));
    await sawAborted(1);
  });

  check("a caller who breaks out of a stream and aborts is noticed", async ({ client, headers, sawAborted }) => {
    const giveUp = new AbortController();
    for await (const _ of client.hangStream({}, { headers, signal: giveUp.signal })) break;
    giveUp.abort();
    await sawAborted(1);
  });

  check(
    "a caller who gives up while nobody reads its upload is noticed",
    async ({ client, headers, began, sawAborted }) => {
      const giveUp = new AbortController();
      const { pulled, source } = endless(64 * 1024);
      const call = client.upload(source, { headers: { ...headers, "x-read": "none" }, signal: giveUp.signal });
      const failed = assert.rejects(call, failsWith(Code.Canceled));
      await began(1);
      assert.ok((await whenStill(pulled, 500)) < 500, "the upload waits");
      giveUp.abort();
      await failed;
      await sawAborted(1);
    },
  );

  check("a caller who gives up while it does not read is noticed", async ({ client, headers, observed, sawEnded }) => {
    const giveUp = new AbortController();
    const call = client.download({ count: 1000, size: 64 * 1024 }, { headers, signal: giveUp.signal });
    assert.equal((await call[Symbol.asyncIterator]().next()).done, false);
    assert.ok((await whenStill(async () => (await observed()).messages, 1000)) < 1000);
    giveUp.abort();
    await sawEnded(1);
  });

  check("a call given up before it began sends nothing", async ({ client, headers, observed }) => {
    const signal = AbortSignal.abort();
    await assert.rejects(client.hang({}, { headers, signal }), failsWith(Code.Canceled));
    assert.equal((await observed()).began, 0);
  });

  check("an abort after the answer harms nothing", async ({ client, headers, observed }) => {
    const giveUp = new AbortController();
    await client.echo({}, { headers, signal: giveUp.signal });
    giveUp.abort();
    await client.echo({}, { headers });
    assert.deepEqual(await observed().then(({ aborted, ended }) => [aborted, ended]), [0, 2]);
  });
}

function pressure(check: Check): void {
  check("a caller who reads slowly makes the handler wait", async ({ client, headers, observed }) => {
    const answers = client.download({ count: 500, size: 64 * 1024 }, { headers })[Symbol.asyncIterator]();
    await answers.next();
    const sent = await whenStill(async () => (await observed()).messages, 500);
    assert.ok(sent < 500, `the handler waits after ${sent} messages`);
    let rest = 1;
    while ((await answers.next()).done !== true) rest++;
    assert.equal(rest, 500);
  });

  check("a handler that answers without reading ends the upload", async ({ client, headers, sawEnded }) => {
    const { source } = endless(64 * 1024);
    const call = client.upload(source, { headers: { ...headers, "x-read": "refuse" } });
    await assert.rejects(call, failsWith(Code.FailedPrecondition, /enough of this/));
    await sawEnded(1);
  });

  check("a handler that fails in the middle of an upload ends it", async ({ client, headers, sawEnded }) => {
    const { source } = endless(64 * 1024);
    const call = client.upload(source, { headers: { ...headers, "x-read": "two" } });
    await assert.rejects(call, failsWith(Code.FailedPrecondition, /two are enough/));
    await sawEnded(1);
  });
}

function failures(check: Check): void {
  check("an error keeps its code, message, metadata and details", async ({ client }) => {
    const asked = { code: Code.AlreadyExists, message: "it is there", after: 2 };
    const got: number[] = [];
    const late = async () => {
      for await (const { data } of client.failLate(asked)) got.push(data.length);
    };
    for (const call of [() => client.fail(asked), late]) {
      await assert.rejects(call, error => {
        failsWith(Code.AlreadyExists, /it is there/)(error);
        assert.ok(error instanceof ConnectError);
        assert.equal(error.metadata.get("x-why"), "as asked");
        const [detail] = error.findDetails(EchoRequestSchema);
        assert.equal(Buffer.from(detail?.data ?? []).toString(), "it is there");
        return true;
      });
    }
    assert.deepEqual(got, [1, 1]);
  });

  check("an error that is no Connect error tells the caller nothing of its inside", async ({ client }) => {
    const hidden = (error: unknown) =>
      failsWith(Code.Internal, /internal error/)(error) && !String(error).includes("secret");
    await assert.rejects(client.fail({ code: 0, message: "secret" }), hidden);
    await assert.rejects(drain(client.failLate({ code: 0, message: "secret", after: 1 })), hidden);
  });

  check(
    "an upload whose source fails fails the call, and the handler hears of it",
    async ({ client, headers, began, sawEnded }) => {
      async function* broken() {
        yield data(10);
        await began(1);
        throw new RangeError("the source broke");
      }
      await assert.rejects(client.upload(broken(), { headers }), /the source broke/);
      await sawEnded(1);
    },
  );

  check("closing the session fails every call under way at once", async ({ client, pair }) => {
    const stream = client.hangStream({})[Symbol.asyncIterator]();
    await stream.next();
    const { source } = endless(1000);
    const failed = [client.hang({}), stream.next(), client.upload(source, { headers: { "x-read": "none" } })].map(
      call => assert.rejects(call, failsWith(Code.Unavailable)),
    );
    await sleep(50);
    await pair.client.close();
    await Promise.all(failed);
    await assert.rejects(client.echo({}), failsWith(Code.Unavailable));
  });

  check("a stream that failed before anybody read it fails its reader, not the process", async ({ client }) => {
    const answers = client.hangStream({}, { signal: AbortSignal.abort() });
    await sleep(20);
    await assert.rejects(drain(answers), failsWith(Code.Canceled));
  });

  check("a lost server fails every call under way", async ({ client, pair }) => {
    if (pair.kill === undefined) return;
    const stream = client.hangStream({})[Symbol.asyncIterator]();
    await stream.next();
    const failed = [client.hang({}), stream.next()].map(call => assert.rejects(call, failsWith(Code.Unavailable)));
    await sleep(50);
    pair.kill();
    await Promise.all(failed);
    await assert.rejects(client.echo({}), failsWith(Code.Unavailable));
  });
}

function gates(check: Check): void {
  check("the gate refuses a call before its body is read", async ({ client, headers, observed }) => {
    const { source } = endless(64 * 1024);
    const call = client.gated(source, { headers: { ...headers, "x-gate": "refuse" } });
    await assert.rejects(call, failsWith(Code.PermissionDenied, /not you/));
    await assert.rejects(
      client.echo({}, { headers: { ...headers, "x-gate": "refuse" } }),
      failsWith(Code.PermissionDenied),
    );
    assert.equal((await observed()).began, 0);
    assert.equal((await client.gated(chunks(3, 10), { headers })).messages, 3);
  });

  check(
    "a call that waits in the gate ends with its caller, its body unread",
    async ({ client, headers, observed, sawEnded }) => {
      const giveUp = new AbortController();
      const { pulled, source } = endless(64 * 1024);
      const call = client.gated(source, { headers: { ...headers, "x-gate": "wait" }, signal: giveUp.signal });
      const failed = assert.rejects(call, failsWith(Code.Canceled));
      assert.ok((await whenStill(pulled, 500)) < 500, "the upload waits");
      assert.equal((await observed()).active, 2, "it counts as a call under way");
      giveUp.abort();
      await failed;
      await sawEnded(0);
    },
  );

  check("a call that waits in the gate ends with its deadline", async ({ client, headers, sawEnded }) => {
    const wait = { headers: { ...headers, "x-gate": "wait" }, timeoutMs: 100 };
    await assert.rejects(client.echo({}, wait), failsWith(Code.DeadlineExceeded));
    await sawEnded(0);
  });
}

function many(check: Check): void {
  check("200 calls at once are answered", async ({ client }) => {
    const all = Array.from({ length: 200 }, (_, at) => client.echo(data(at)));
    const sizes = (await Promise.all(all)).map(answer => answer.data.length);
    assert.deepEqual(
      sizes,
      Array.from({ length: 200 }, (_, at) => at),
    );
  });

  check("1000 calls leave nothing behind", async ({ client, headers, observed }) => {
    for (let round = 0; round < 20; round++) {
      const each = Array.from({ length: 50 }, async (_, at) => {
        if (at % 5 === 0) return drain(client.download({ count: 2, size: 10 }, { headers }));
        if (at % 5 === 1) return client.upload(chunks(2, 10), { headers });
        if (at % 5 === 2) return drain(client.chat(chunks(2, 10), { headers }));
        if (at % 5 === 3) return assert.rejects(client.hang({}, { headers, timeoutMs: 20 }));
        return client.echo(data(10), { headers });
      });
      await Promise.all(each);
    }
    await until("nothing under way", async () => (await observed()).active === 1);
    await until("every handler ended", async () =>
      observed().then(({ began, ended }) => began === ended && began > 790),
    );
  });
}
