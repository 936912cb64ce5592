import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint, EndpointOptions, IrohSession, PeerAddress } from "../../src/iroh/endpoint.ts";
import { Failure } from "../../src/lib/failure.ts";
import { type Duplex, type ReadHalf, StreamError } from "../../src/lib/stream.ts";

const alpn = "drv-thru-test/1";

/** Makes an endpoint of the binding under test. */
export type MakeEndpoint = (options: EndpointOptions) => Promise<Endpoint>;

interface Pair extends AsyncDisposable {
  readonly server: Endpoint;
  readonly client: Endpoint;
  readonly near: IrohSession;
  readonly far: IrohSession;
}

/** Where an endpoint of a test is. */
export function at(endpoint: Endpoint): PeerAddress {
  return { id: endpoint.id, addresses: endpoint.addresses().direct };
}

const onLoopback = { alpns: [alpn], relay: "none", bind: ["127.0.0.1:0"] } as const;

async function pair(make: MakeEndpoint, options: Partial<EndpointOptions> = {}): Promise<Pair> {
  const server = await make({ ...onLoopback, ...options });
  const client = await make({ ...onLoopback, alpns: [] });
  const accepted = server.accept();
  const near = await client.connect(at(server), alpn);
  const far = await accepted;
  assert.ok(far);
  return {
    server,
    client,
    near,
    far,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

async function streams({ near, far }: Pair): Promise<{ near: Duplex; far: Duplex }> {
  const opened = await near.open();
  const accepted = far.accept();
  await opened.write(Uint8Array.of(1));
  const stream = await accepted;
  assert.ok(stream);
  assert.deepEqual(await stream.read(), Uint8Array.of(1));
  return { near: opened, far: stream };
}

async function readAll(half: ReadHalf): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let piece = await half.read(); piece !== undefined; piece = await half.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

function streamErrorOf(kind: string, code = 0): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof StreamError, String(error));
    assert.deepEqual([error.kind, error.code], [kind, code]);
    return true;
  };
}

function failureOf(code: string, reason?: string): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof Failure, String(error));
    assert.deepEqual([error.code, error.reason], [code, reason]);
    return true;
  };
}

/** What every binding must do: endpoints and their sessions, in one process on loopback. */
export function endpointContract(name: string, make: MakeEndpoint): void {
  addressing(name, make);
  connecting(name, make);
  streaming(name, make);
  ending(name, make);
}

function addressing(name: string, make: MakeEndpoint): void {
  test(`${name}: the id follows from the secret key`, async () => {
    const secretKey = Uint8Array.from({ length: 32 }, (_, i) => i);
    await using first = disposable(await make({ ...onLoopback, secretKey }));
    await using second = disposable(await make({ ...onLoopback, secretKey }));
    await using other = disposable(await make(onLoopback));
    // The first public key of RFC 8032's family for the seed 00 01 02 … 1f.
    assert.equal(first.it.id, "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert.equal(second.it.id, first.it.id);
    assert.notEqual(other.it.id, first.it.id);
  });

  test(`${name}: an endpoint bound to loopback is on loopback alone, and its address is at once known`, async () => {
    await using endpoint = disposable(await make(onLoopback));
    const { direct, relayUrl } = endpoint.it.addresses();
    assert.deepEqual(direct, [`127.0.0.1:${endpoint.it.boundPorts[0]}`]);
    assert.equal(relayUrl, undefined);
  });

  test(`${name}: with public relays and discovery, without a network, an endpoint is up and answers on its direct address`, async () => {
    await using both = await pair(make, { relay: "default", discovery: true });
    assert.equal(both.near.path().kind, "direct");
  });

  test(`${name}: an address that was named by hand is handed out`, async () => {
    await using endpoint = disposable(await make({ ...onLoopback, externalAddresses: ["203.0.113.7:4433"] }));
    assert.ok(endpoint.it.addresses().direct.includes("203.0.113.7:4433"));
  });

  test(`${name}: a port that is taken is a failure with the port in it`, async () => {
    await using endpoint = disposable(await make(onLoopback));
    const taken = `127.0.0.1:${endpoint.it.boundPorts[0]}`;
    await assert.rejects(make({ ...onLoopback, bind: [taken] }), error => {
      failureOf("failed", "address-in-use")(error);
      assert.ok(error instanceof Failure && error.message.includes(taken));
      return true;
    });
  });

  for (const bind of [
    ["localhost:1"],
    ["127.0.0.1:65536"],
    ["127.0.0.1:"],
    ["[127.0.0.1]:1"],
    ["::1:x"],
    ["127.0.0.1:0", "127.0.0.2:0"],
  ]) {
    test(`${name}: ${bind.join(" and ")} cannot be listened on`, async () => {
      await assert.rejects(make({ ...onLoopback, bind }), failureOf("usage"));
    });
  }
}

function connecting(name: string, make: MakeEndpoint): void {
  test(`${name}: both sides know each other's proven id, the protocol and the path`, async () => {
    await using both = await pair(make);
    const { near, far, client, server } = both;
    assert.deepEqual([near.local, near.peer, near.alpn], [client.id, server.id, alpn]);
    assert.deepEqual([far.local, far.peer, far.alpn], [server.id, client.id, alpn]);
    assert.deepEqual([near.path().kind, near.path().address], ["direct", `127.0.0.1:${server.boundPorts[0]}`]);
    assert.ok(near.statistics().sentBytes > 0 && near.statistics().receivedBytes > 0);
  });

  test(`${name}: nobody at the address is unreachable after the time given`, async () => {
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const gone = await make(onLoopback);
    const address = at(gone);
    await gone.close();
    await assert.rejects(client.it.connect(address, alpn, { timeoutMs: 300 }), failureOf("unreachable", "no-answer"));
  });

  test(`${name}: a connect ends with its signal`, async () => {
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const gone = await make(onLoopback);
    const address = at(gone);
    await gone.close();
    const abort = new AbortController();
    const connecting = client.it.connect(address, alpn, { signal: abort.signal });
    abort.abort();
    await assert.rejects(connecting, failureOf("cancelled"));
    await assert.rejects(client.it.connect(address, alpn, { signal: abort.signal }), failureOf("cancelled"));
  });

  test(`${name}: an id without any address is unreachable`, async () => {
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const nobody = await make(onLoopback);
    await nobody.close();
    await assert.rejects(client.it.connect({ id: nobody.id }, alpn), failureOf("unreachable", "no-address"));
  });

  test(`${name}: an address or a relay that is none is refused before anything is sent`, async () => {
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const { id } = client.it;
    for (const where of [{ addresses: ["here"] }, { addresses: ["127.0.0.1:0"] }, { relayUrls: ["ftp://relay"] }]) {
      await assert.rejects(client.it.connect({ id, ...where }, alpn), failureOf("usage"));
    }
  });

  test(`${name}: a peer with the wrong id, or with another protocol, is refused and ends nobody's accept loop`, async () => {
    await using server = disposable(await make(onLoopback));
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const accepted = server.it.accept();
    const { addresses = [] } = at(server.it);
    const stranger = await make(onLoopback);
    await stranger.close();
    await assert.rejects(
      client.it.connect({ id: stranger.id, addresses }, alpn),
      failureOf("unreachable", "wrong-endpoint"),
    );
    await assert.rejects(client.it.connect(at(server.it), "other/1"), failureOf("failed", "no-common-protocol"));
    await client.it.connect(at(server.it), alpn);
    assert.equal((await accepted)?.peer, client.it.id);
  });

  test(`${name}: a session over the limit is refused, and there is room again once one has ended`, async () => {
    await using server = disposable(await make({ ...onLoopback, limits: { sessions: 1 } }));
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const first = server.it.accept();
    await client.it.connect(at(server.it), alpn);
    const far = await first;
    await assert.rejects(client.it.connect(at(server.it), alpn), failureOf("unreachable", "no-answer"));
    await far?.close();
    assert.ok(await client.it.connect(at(server.it), alpn));
  });

  test(`${name}: accept ends when the endpoint closes`, async () => {
    const server = await make(onLoopback);
    const accepted = server.accept();
    await server.close();
    assert.equal(await accepted, undefined);
    assert.equal(await server.accept(), undefined);
    await assert.rejects(server.connect(at(server), alpn), failureOf("failed", "closed"));
  });
}

function streaming(name: string, make: MakeEndpoint): void {
  test(`${name}: a megabyte goes each way at once, then both ends are clean`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const sent = pattern(1024 * 1024 + 7);
    const send = async (stream: Duplex) => {
      await stream.write(sent);
      await stream.finish();
    };
    const [atFar, atNear] = await Promise.all([readAll(far), readAll(near), send(near), send(far)]);
    assert.ok(Buffer.from(sent).equals(atFar) && Buffer.from(sent).equals(atNear));
    await Promise.all([near.closed, far.closed]);
    assert.equal(await near.read(), undefined);
  });

  test(`${name}: writes that nobody waited for arrive in order`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const writes = Array.from({ length: 200 }, (_, i) => near.write(Uint8Array.of(i)));
    const finished = near.finish();
    assert.deepEqual(await readAll(far), Buffer.from(Array.from({ length: 200 }, (_, i) => i)));
    await Promise.all([...writes, finished]);
    await assert.rejects(near.write(Uint8Array.of(1)), streamErrorOf("closed"));
  });

  test(`${name}: one-way streams go each way`, async () => {
    await using both = await pair(make);
    for (const [from, to] of [
      [both.near, both.far],
      [both.far, both.near],
    ] as const) {
      const accepted = to.acceptUni();
      const writer = await from.openUni();
      await writer.write(pattern(100));
      await writer.finish();
      const reader = await accepted;
      assert.ok(reader);
      assert.deepEqual(await readAll(reader), Buffer.from(pattern(100)));
    }
  });

  test(`${name}: a reset reaches the reader as a reset, again and again`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    near.reset(5);
    near.reset(6);
    await assert.rejects(far.read(), streamErrorOf("reset", 5));
    await assert.rejects(far.read(), streamErrorOf("reset", 5));
    await assert.rejects(near.write(Uint8Array.of(1)), streamErrorOf("closed"));
    await assert.rejects(near.finish(), streamErrorOf("closed"));
  });

  test(`${name}: a stop reaches the writer as a stop`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    far.stop(7);
    far.stop(8);
    assert.equal(await far.read(), undefined);
    await assert.rejects(writeUntilItFails(near), streamErrorOf("stopped", 7));
    await assert.rejects(near.finish(), streamErrorOf("stopped", 7));
  });

  test(`${name}: a stop ends a pending read, a reset ends a pending write`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const reading = near.read();
    near.stop(1);
    assert.equal(await reading, undefined);
    const writing = writeUntilItFails(near);
    near.reset(1);
    await assert.rejects(writing, streamErrorOf("closed"));
    await near.closed;
    await far.finish();
  });

  test(`${name}: a writer waits while nobody reads, and goes on when somebody does`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const sent = pattern(4 * 1024 * 1024);
    let written = false;
    const writing = near
      .write(sent)
      .then(() => near.finish())
      .then(() => {
        written = true;
      });
    // A round trip on another stream: by then a write without back-pressure would be through.
    const other = await streams(both);
    await other.near.finish();
    assert.equal(await other.far.read(), undefined);
    assert.equal(written, false);
    assert.ok(Buffer.from(sent).equals(await readAll(far)));
    await writing;
  });

  test(`${name}: a stream over the peer's limit opens when another has ended, or gives up with its signal`, async () => {
    await using both = await pair(make, { limits: { streams: 100 } });
    const open = [];
    for (let at = 0; at < 100; at++) open.push(await streams(both));
    const abort = new AbortController();
    const givenUp = both.near.open(abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(givenUp, /enough/);
    let opened = false;
    const next = both.near.open().then(stream => {
      opened = true;
      return stream;
    });
    const [first] = open;
    assert.ok(first);
    await first.near.write(Uint8Array.of(1));
    await first.far.read();
    assert.equal(opened, false);
    // A binding may give places back several at a time.
    for (const { near, far } of open) {
      await Promise.all([near.finish(), far.finish()]);
      await Promise.all([readAll(near), readAll(far)]);
    }
    const stream = await next;
    await stream.write(Uint8Array.of(9));
    assert.deepEqual(await acceptedBytes(both.far), Uint8Array.of(9));
  });

  test(`${name}: fewer than 100 streams cannot be asked for`, async () => {
    await assert.rejects(make({ ...onLoopback, limits: { streams: 99 } }), failureOf("usage"));
  });

  test(`${name}: a stranger that sends too much is cut off, one that was admitted is not`, async () => {
    await using both = await pair(make, { limits: { strangerBytes: 100_000 } });
    const known = await both.client.connect(at(both.server), alpn);
    const admitted = await both.server.accept();
    assert.ok(admitted);
    admitted.admit?.();
    const stranger = await streams(both);
    streamErrorOf("lost")(await writeUntilItFails(stranger.near).catch((error: unknown) => error));
    assert.deepEqual(await both.far.closed.then(({ kind, code }) => [kind, code]), ["local", 4]);
    assert.equal((await both.near.closed).code, 4);
    const { near, far } = await streams({ ...both, near: known, far: admitted });
    await Promise.all([near.write(new Uint8Array(1024 * 1024)).then(() => near.finish()), readAll(far)]);
  });
}

/** The first bytes of the next stream that was not given up. */
async function acceptedBytes(session: IrohSession): Promise<Uint8Array | undefined> {
  for (let stream = await session.accept(); stream !== undefined; stream = await session.accept()) {
    const bytes = await stream.read().catch(streamErrorOf("reset"));
    if (typeof bytes !== "boolean") return bytes;
    stream.reset(0);
  }
  return undefined;
}

function ending(name: string, make: MakeEndpoint): void {
  test(`${name}: a close lets what was finished arrive, then tells the peer why`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const sent = pattern(600_000);
    const reading = readAll(far);
    await near.write(sent);
    void near.finish();
    await both.near.close(9, 'bye "x" (code 3)\né');
    assert.ok(Buffer.from(sent).equals(await reading));
    assert.deepEqual(await both.far.closed, { kind: "peer", code: 9, reason: 'bye "x" (code 3)\né' });
    assert.deepEqual(await both.near.closed, { kind: "local", code: 9, reason: 'bye "x" (code 3)\né' });
  });

  test(`${name}: after a close nothing opens, accepts end, and streams are broken on both sides`, async () => {
    await using both = await pair(make);
    const { near, far } = await streams(both);
    const accepts = [both.near.accept(), both.near.acceptUni(), both.far.accept(), both.far.acceptUni()];
    const reads = [near.read(), far.read()].map(read => read.catch((error: unknown) => error));
    await both.near.close();
    await both.near.close();
    assert.deepEqual(await Promise.all(accepts), [undefined, undefined, undefined, undefined]);
    const [nearRead, farRead] = await Promise.all(reads);
    streamErrorOf("closed")(nearRead);
    streamErrorOf("lost")(farRead);
    await Promise.all([near.closed, far.closed]);
    await assert.rejects(both.near.open(), streamErrorOf("closed"));
    await assert.rejects(both.far.open(), streamErrorOf("lost"));
    await assert.rejects(both.far.openUni(), streamErrorOf("lost"));
  });

  test(`${name}: a close does not wait for ever for a peer that reads nothing`, async () => {
    await using both = await pair(make);
    const { near } = await streams(both);
    const writing = near.write(pattern(4 * 1024 * 1024)).catch((error: unknown) => error);
    void near.finish().catch((error: unknown) => error);
    await both.near.close();
    streamErrorOf("closed")(await writing);
  });
}

async function writeUntilItFails(stream: Duplex): Promise<void> {
  for (;;) await stream.write(new Uint8Array(64 * 1024));
}

function disposable(it: Endpoint): { readonly it: Endpoint } & AsyncDisposable {
  return { it, [Symbol.asyncDispose]: () => it.close() };
}
