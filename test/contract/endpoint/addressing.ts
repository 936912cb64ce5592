import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../../src/lib/failure.ts";
import { disposable, failureOf, type MakeEndpoint, onLoopback, pair } from "./tools.ts";

/** Ids, sockets and addresses. */
export function addressing(name: string, make: MakeEndpoint): void {
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
