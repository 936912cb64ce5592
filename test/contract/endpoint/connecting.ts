import assert from "node:assert/strict";
import { test } from "node:test";
import { type EndpointId, parseId } from "../../../src/lib/ids.ts";
import { alpn, at, disposable, failureOf, type MakeEndpoint, onLoopback, pair } from "./tools.ts";

/** Sessions that come about, and those that do not. */
export function connecting(name: string, make: MakeEndpoint): void {
  test(`${name}: both sides know each other's proven id, the protocol and the path`, async () => {
    await using both = await pair(make);
    const { near, far, client, server } = both;
    assert.deepEqual([near.local, near.peer, near.alpn], [client.id, server.id, alpn]);
    assert.deepEqual([far.local, far.peer, far.alpn], [server.id, client.id, alpn]);
    const { kind, address } = near.path();
    assert.equal(kind, "direct");
    // Iroh listens on the other family's loopback too, and takes what answers first.
    assert.match(address ?? "", /^(127\.0\.0\.1|\[::1\]):\d+$/);
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

  test(`${name}: an id that is no public key is refused as such`, async () => {
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const id = parseId<EndpointId>("ab".repeat(32)) ?? client.it.id;
    await assert.rejects(client.it.connect({ id, addresses: ["127.0.0.1:9"] }, alpn), error => {
      assert.ok(failureOf("usage", "bad-address")(error));
      assert.match(String(error), /abab is no endpoint's id/);
      return true;
    });
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

  test(`${name}: a session that was admitted takes no stranger's place`, async () => {
    await using server = disposable(await make({ ...onLoopback, limits: { sessions: 1 } }));
    await using client = disposable(await make({ ...onLoopback, alpns: [] }));
    const first = server.it.accept();
    await client.it.connect(at(server.it), alpn);
    (await first)?.admit?.();
    const second = server.it.accept();
    await client.it.connect(at(server.it), alpn);
    assert.ok(await second);
    await assert.rejects(client.it.connect(at(server.it), alpn), failureOf("unreachable", "no-answer"));
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
