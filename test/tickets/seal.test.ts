import assert from "node:assert/strict";
import { test } from "node:test";
import type { TicketId } from "../../src/lib/ids.ts";
import { idOfSecret } from "../../src/tickets/proof.ts";
import { openSecret, sealingKey, sealSecret } from "../../src/tickets/seal.ts";

const secret = new Uint8Array(32).fill(3);
const id = idOfSecret<TicketId>(secret);
const key = sealingKey(new Uint8Array(32).fill(1));
const sealed = sealSecret(key, id, secret);

test("a sealed secret opens with the builder's key", () => {
  assert.deepEqual(openSecret(key, id, sealed), secret);
});

test("a thief with the database alone reads nothing", () => {
  assert(!Buffer.from(sealed).includes(Buffer.from(secret)));
  assert.equal(openSecret(sealingKey(new Uint8Array(32).fill(2)), id, sealed), undefined);
});

test("a secret moved to another ticket's record, changed or cut does not open", () => {
  assert.equal(openSecret(key, idOfSecret<TicketId>(new Uint8Array(32)), sealed), undefined);
  for (let at = 0; at < sealed.length; at++) {
    assert.equal(
      openSecret(
        key,
        id,
        sealed.map((byte, index) => (index === at ? byte ^ 1 : byte)),
      ),
      undefined,
    );
  }
  assert.equal(openSecret(key, id, sealed.subarray(0, -1)), undefined);
  assert.equal(openSecret(key, id, new Uint8Array(0)), undefined);
});

test("sealing twice gives two texts", () => {
  assert.notDeepEqual(sealSecret(key, id, secret), sealed);
});
