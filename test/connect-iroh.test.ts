import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Greeter } from "../examples/greeter/gen/greeter/v1/greeter_pb.js";
import { callerId, connectOverIroh, Failure, type ServerAddress, serveOverIroh } from "../src/connect-iroh.ts";

const run = promisify(execFile);
const greeter = join(import.meta.dirname, "../examples/greeter");
const here = { alpn: "greeter/1", relay: "none", bind: ["127.0.0.1:0"] } as const;

async function startGreeter(): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, [join(greeter, "server.ts"), "--local"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [address] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, address };
}

test("the example: two programs speak a service of their own over Iroh", async () => {
  const { child, address } = await startGreeter();
  try {
    const { stdout } = await run(process.execPath, [join(greeter, "client.ts"), address, "Ada", "--local"]);
    assert.deepEqual(stdout.trim().split("\n"), [
      "Hello, Ada! (I am whom I say)",
      "Hello, Ada! (1)",
      "Hello, Ada! (2)",
      "Hello, Ada! (3)",
    ]);
    await assert.rejects(
      run(process.execPath, [join(greeter, "client.ts"), address, "x".repeat(101), "--local"]),
      /a name has 1 to 100 characters/,
    );
  } finally {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
  }
});

test("a caller whose server is killed hears of it", async () => {
  const { child, address } = await startGreeter();
  await using connection = await connectOverIroh(JSON.parse(address) as ServerAddress, here);
  const client = createClient(Greeter, connection.transport);
  assert.equal((await client.greet({ name: "Ada" })).callerId, connection.id);
  child.kill("SIGKILL");
  await assert.rejects(client.greet({ name: "Ada" }), (error: unknown) => {
    assert.ok(error instanceof ConnectError);
    return error.code === Code.Unavailable;
  });
  assert.equal((await connection.closed).kind, "lost");
});

test("a server refuses callers by their proven id, before it reads what they send", async () => {
  const secretKey = new Uint8Array(32).fill(7);
  let friend = "";
  await using server = await serveOverIroh(
    router => router.service(Greeter, { greet: ({ name }) => ({ greeting: name }) }),
    {
      ...here,
      router: {
        requestGate: context => {
          if (callerId(context) !== friend) throw new ConnectError("not you", Code.PermissionDenied);
        },
      },
    },
  );
  await using known = await connectOverIroh(server.address(), { ...here, secretKey });
  friend = known.id;
  await using stranger = await connectOverIroh(server.address(), here);
  assert.equal((await createClient(Greeter, known.transport).greet({ name: "Ada" })).greeting, "Ada");
  await assert.rejects(createClient(Greeter, stranger.transport).greet({ name: "Eve" }), /not you/);
});

test("a server that closes lets a call under way end, and takes no more", async () => {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const server = await serveOverIroh(
    router =>
      router.service(Greeter, {
        async greet({ name }) {
          begun.resolve();
          await go.promise;
          return { greeting: name };
        },
      }),
    here,
  );
  await using connection = await connectOverIroh(server.address(), here);
  const client = createClient(Greeter, connection.transport);
  const call = client.greet({ name: "late" });
  await begun.promise;
  const closed = server.close();
  go.resolve();
  assert.equal((await call).greeting, "late");
  await closed;
  await assert.rejects(client.greet({ name: "Ada" }), (error: unknown) => {
    assert.ok(error instanceof ConnectError);
    return error.code === Code.Unavailable;
  });
});

const wrong: readonly [what: string, change: Partial<ServerAddress>, alpn: string, code: string][] = [
  ["no id", { id: "abc" }, "greeter/1", "usage"],
  ["no address", { addresses: [] }, "greeter/1", "unreachable"],
  ["no such text for an address", { addresses: ["here"] }, "greeter/1", "usage"],
  [
    "another server's id",
    { id: "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8" },
    "greeter/1",
    "unreachable",
  ],
  ["another protocol", {}, "greeter/2", "failed"],
];
for (const [what, change, alpn, code] of wrong) {
  test(`connecting with ${what} is a clear failure`, async () => {
    await using server = await serveOverIroh(router => router.service(Greeter, {}), here);
    await assert.rejects(connectOverIroh({ ...server.address(), ...change }, { ...here, alpn }), (error: unknown) => {
      assert.ok(error instanceof Failure, String(error));
      assert.equal(error.code, code, error.message);
      return true;
    });
  });
}
