import assert from "node:assert/strict";
import { test } from "node:test";
import { type Duplex, type ReadHalf, type Session, StreamError, type StreamErrorKind } from "../../src/lib/stream.ts";
import { whenStill } from "./stalls.ts";

/** Two joined sessions. */
export interface SessionPair {
  readonly client: Session;
  readonly server: Session;
  close(): Promise<void>;
  /** Cuts the wire so that neither side hears a word, where a test can. */
  kill?(): void;
}

/** A carrier under the contract. */
export interface SessionFactory {
  readonly name: string;
  connect(): Promise<SessionPair>;
  /** False where codes do not travel, as on a socket, whose giving up the peer may even see as a clean end. Default true. */
  readonly codes?: boolean;
}

/** Every promise of `src/lib/stream.ts`, as tests. */
export function sessionContract(factory: SessionFactory): void {
  const check = (name: string, run: (pair: SessionPair) => Promise<void>) =>
    test(`${factory.name}: ${name}`, async () => {
      const pair = await factory.connect();
      try {
        await run(pair);
      } finally {
        await pair.close();
      }
    });
  streams(check);
  givingUp(check, factory.codes ?? true);
  ends(check, factory);
}

type Check = (name: string, run: (pair: SessionPair) => Promise<void>) => void;

async function joined({ client, server }: SessionPair): Promise<{ near: Duplex; far: Duplex }> {
  const near = await client.open();
  await near.write(Uint8Array.of(0));
  const far = await server.accept();
  assert.ok(far !== undefined);
  assert.deepEqual(await far.read(), Uint8Array.of(0));
  return { near, far };
}

async function readAll(half: ReadHalf): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let part = await half.read(); part !== undefined; part = await half.read()) {
    assert.ok(part.length > 0, "a read is never empty");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
}

/** Writes until the peer's lack of interest stops it. Returns how the last write ended and how much was taken. */
function flood(half: Duplex): { taken: () => number; ended: Promise<unknown> } {
  let taken = 0;
  const run = async () => {
    for (;;) {
      await half.write(new Uint8Array(16 * 1024));
      taken += 16 * 1024;
    }
  };
  return { taken: () => taken, ended: run().catch((error: unknown) => error) };
}

const floodBytes = 32 * 1024 * 1024;

function isStreamError(kinds: readonly StreamErrorKind[], code?: number): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof StreamError, `a StreamError, not ${error}`);
    assert.ok(kinds.includes(error.kind), `kind ${error.kind} is one of ${kinds}`);
    if (code !== undefined) assert.equal(error.code, code);
    return true;
  };
}

function streams(check: Check): void {
  check("bytes arrive whole and in order, then the end, again and again", async pair => {
    const { near, far } = await joined(pair);
    const sent = pattern(300_000);
    const write = async () => {
      for (let at = 0; at < sent.length; at += 7_001) await near.write(sent.subarray(at, at + 7_001));
      await near.finish();
      await near.finish();
    };
    const [got] = await Promise.all([readAll(far), write()]);
    assert.ok(got.equals(sent));
    assert.equal(await far.read(), undefined);
    assert.equal(await far.read(), undefined);
  });

  check("writes that are not waited for keep their order, and their bytes", async pair => {
    const { near, far } = await joined(pair);
    const scratch = new Uint8Array(1000);
    const writes: Promise<void>[] = [];
    for (let at = 0; at < 20; at++) writes.push(near.write(Uint8Array.from(scratch.fill(at))));
    const [got] = await Promise.all([readAll(far), Promise.all(writes).then(() => near.finish())]);
    assert.deepEqual(
      Array.from({ length: 20 }, (_, at) => got[at * 1000]),
      Array.from({ length: 20 }, (_, at) => at),
    );
    assert.equal(got.length, 20_000);
  });

  check("bytes may be changed once their write has settled", async pair => {
    const { near, far } = await joined(pair);
    const scratch = Uint8Array.of(1, 2, 3);
    await near.write(scratch);
    scratch.fill(9);
    await near.finish();
    assert.deepEqual(await readAll(far), Buffer.of(1, 2, 3));
  });

  check("a finished half leaves the other open", async pair => {
    const { near, far } = await joined(pair);
    await near.finish();
    assert.equal(await far.read(), undefined);
    await far.write(pattern(1000));
    await far.finish();
    assert.equal((await readAll(near)).length, 1000);
    await Promise.all([near.closed, far.closed]);
  });

  check("a writer waits for a reader, and goes on when it reads", async pair => {
    const { near, far } = await joined(pair);
    const { taken, ended } = flood(near);
    const before = await whenStill(taken, floodBytes);
    assert.ok(before < floodBytes, `the writer stopped, at ${before} bytes`);
    for (let got = 0; got < before; ) got += (await far.read())?.length ?? 0;
    const after = await whenStill(taken, floodBytes);
    assert.ok(after > before, "and went on");
    near.reset(1);
    await ended;
  });

  check("a stream that nobody reads leaves the others running", async pair => {
    const { near: blocked } = await joined(pair);
    const { taken, ended } = flood(blocked);
    await whenStill(taken, floodBytes);
    const { near, far } = await joined(pair);
    await near.write(pattern(5000));
    await near.finish();
    assert.equal((await readAll(far)).length, 5000);
    blocked.reset(1);
    await ended;
  });

  check("an aborted open opens nothing", async ({ client }) => {
    await assert.rejects(client.open(AbortSignal.abort(new Error("no more"))), /no more|abort/i);
  });

  check("one-way streams carry bytes and their end, where there are any", async ({ client, server }) => {
    if (client.calls === "one") return;
    for (const [from, to] of [[client, server] as const, [server, client] as const]) {
      const out = await from.openUni();
      const accepted = to.acceptUni();
      await out.write(pattern(1000));
      await out.finish();
      const half = await accepted;
      assert.ok(half !== undefined);
      assert.equal((await readAll(half)).length, 1000);
    }
  });

  check("both sides know each other by the same ids", async ({ client, server }) => {
    assert.equal(client.peer, server.local);
    assert.equal(server.peer, client.local);
    for (const id of [client.peer, client.local]) assert.match(id ?? "0".repeat(64), /^[0-9a-f]{64}$/);
  });
}

function givingUp(check: Check, codes: boolean): void {
  check("a reset reaches the reader, with its code, and stays", async pair => {
    const { near, far } = await joined(pair);
    near.reset(3);
    near.reset(4);
    if (!codes) {
      await far.read().catch(isStreamError(["lost"]));
      return;
    }
    await assert.rejects(far.read(), isStreamError(["reset"], 3));
    await assert.rejects(far.read(), isStreamError(["reset"], 3));
  });

  check("a reset ends the writer's own blocked write", async pair => {
    const { near } = await joined(pair);
    const { taken, ended } = flood(near);
    await whenStill(taken, floodBytes);
    near.reset(1);
    isStreamError(["closed"])(await ended);
    await assert.rejects(near.write(Uint8Array.of(1)), isStreamError(["closed"]));
  });

  check("a stop ends the reader's own waiting read, and may be repeated", async pair => {
    const { far } = await joined(pair);
    const read = far.read().catch(isStreamError(["closed"]));
    far.stop(1);
    far.stop(2);
    const got = await read;
    assert.ok(got === undefined || got === true);
  });

  check("a stop reaches a blocked writer, with its code, and stays", async pair => {
    if (!codes) return;
    const { near, far } = await joined(pair);
    const { taken, ended } = flood(near);
    await whenStill(taken, floodBytes);
    far.stop(3);
    isStreamError(["stopped"], 3)(await ended);
    await assert.rejects(near.write(Uint8Array.of(1)), isStreamError(["stopped"], 3));
  });

  check("giving up both halves closes the stream on both sides", async pair => {
    const { near, far } = await joined(pair);
    near.reset(1);
    near.stop(1);
    await near.closed;
    await far.read().catch(() => undefined);
    far.stop(1);
    far.reset(1);
    await far.closed;
  });

  check("giving up a finished stream takes nothing back", async pair => {
    const { near, far } = await joined(pair);
    await near.write(pattern(1000));
    await near.finish();
    assert.equal((await readAll(far)).length, 1000);
    near.reset(1);
    far.stop(1);
    assert.equal(await far.read(), undefined);
  });
}

function ends(check: Check, factory: SessionFactory): void {
  check("a closed session is closed for both, with code and reason", async ({ client, server }) => {
    const accepting = server.accept();
    await client.close(2, "done here");
    await client.close();
    assert.equal((await client.closed).kind, "local");
    await assert.rejects(client.open(), isStreamError(["closed"]));
    assert.equal(await client.accept(), undefined);
    if (server.calls === "one") return server.close().then(async () => assert.equal(await accepting, undefined));
    assert.deepEqual(await server.closed, { kind: "peer", code: 2, reason: "done here" });
    assert.equal(await accepting, undefined);
    assert.equal(await server.acceptUni(), undefined);
    await assert.rejects(server.open(), isStreamError(["closed", "lost"]));
  });

  check("a closed session ends the waits on its streams", async pair => {
    const { near, far } = await joined(pair);
    const reading = near.read().catch(isStreamError(["closed"]));
    const theirs = far.read().catch(isStreamError(["closed", "lost", "reset"]));
    await pair.client.close();
    await Promise.all([reading, theirs, near.closed]);
  });

  check("what was finished before the close still arrives", async pair => {
    const { near, far } = await joined(pair);
    const sent = pattern(40_000);
    await near.write(sent);
    await near.finish();
    await pair.client.close();
    assert.ok((await readAll(far)).equals(sent));
  });

  check("a lost peer ends every wait", async pair => {
    if (pair.kill === undefined) return;
    const { near, far } = await joined(pair);
    const { near: blocked } = await joined(pair);
    const lost = isStreamError(["lost"]);
    const waits = [near.read(), far.read()].map(wait => assert.rejects(wait, lost));
    const flooding = flood(blocked);
    await whenStill(flooding.taken, floodBytes);
    const accepting = pair.server.accept();
    pair.kill();
    await Promise.all(waits);
    lost(await flooding.ended);
    assert.equal((await pair.client.closed).kind, "lost");
    assert.equal(await accepting, undefined);
    await assert.rejects(pair.client.open(), isStreamError(["lost", "closed"]));
    await near.closed;
  });

  if (factory.codes === false) return;
  check("a session closed by the accepting side tells the opening one", async ({ client, server }) => {
    await server.close(4, "full");
    assert.deepEqual(await client.closed, { kind: "peer", code: 4, reason: "full" });
  });
}
