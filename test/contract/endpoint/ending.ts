import assert from "node:assert/strict";
import { test } from "node:test";
import { type MakeEndpoint, pair, pattern, readAll, streamErrorOf, streams } from "./tools.ts";

/** How sessions end. */
export function ending(name: string, make: MakeEndpoint): void {
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
    const writing = near.write(pattern(14 * 1024 * 1024)).catch((error: unknown) => error);
    void near.finish().catch((error: unknown) => error);
    await both.near.close();
    streamErrorOf("closed")(await writing);
  });
}
