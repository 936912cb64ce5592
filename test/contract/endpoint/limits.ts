import assert from "node:assert/strict";
import { test } from "node:test";
import type { IrohSession } from "../../../src/iroh/endpoint.ts";
import {
  alpn,
  at,
  failureOf,
  type MakeEndpoint,
  onLoopback,
  pair,
  readAll,
  streamErrorOf,
  streams,
  writeUntilItFails,
} from "./tools.ts";

/** What a peer may hold and send. */
export function limits(name: string, make: MakeEndpoint): void {
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
