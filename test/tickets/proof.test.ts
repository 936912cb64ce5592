import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { EndpointId } from "../../src/lib/ids.ts";
import { type Ends, type Proof, type ProofKind, proofBytes, prove } from "../../src/tickets/proof.ts";
import { verifyProof } from "../../src/tickets/verify-proof.ts";

interface Vector {
  readonly kind: ProofKind;
  readonly seed: string;
  readonly publicKey: string;
  readonly builder: string;
  readonly connection: string;
  readonly signed: string;
  readonly signature: string;
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL("../golden/present-proofs.json", import.meta.url), "utf8"));
const seed = new Uint8Array(32).fill(1);
const ends: Ends = { builder: endpoint("aa"), connection: endpoint("bb") };

test("proofs are exactly the committed vectors, and Node's own Ed25519 accepts them", () => {
  assert.equal(vectors.length, 2);
  for (const vector of vectors) {
    const at: Ends = { builder: vector.builder as EndpointId, connection: vector.connection as EndpointId };
    const proof = prove(vector.kind, Buffer.from(vector.seed, "hex"), at);
    const bytes = proofBytes(vector.kind, proof.publicKey, at);
    assert.equal(Buffer.from(proof.publicKey).toString("hex"), vector.publicKey);
    assert.equal(Buffer.from(bytes).toString("hex"), vector.signed);
    assert.equal(Buffer.from(proof.signature).toString("hex"), vector.signature);
    assert(verifyProof(proof, at));
    const x = Buffer.from(proof.publicKey).toString("base64url");
    const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
    assert(verify(null, bytes, key, proof.signature));
  }
});

test("the signed bytes are 116: label, zero byte, kind, key, builder, connection", () => {
  const proof = prove("ticket", seed, ends);
  const expected = Buffer.concat([
    Buffer.from("drv-thru/present/1\0\x02", "latin1"),
    proof.publicKey,
    Buffer.alloc(32, 0xaa),
    Buffer.alloc(32, 0xbb),
  ]);
  assert.deepEqual(Buffer.from(proofBytes("ticket", proof.publicKey, ends)), expected);
  assert.equal(expected.length, 116);
});

test("a proof replayed on another connection, at another builder, or as another kind fails", () => {
  const proof = prove("ticket", seed, ends);
  assert(verifyProof(proof, ends));
  assert(!verifyProof(proof, { ...ends, connection: endpoint("cc") }));
  assert(!verifyProof(proof, { ...ends, builder: endpoint("cc") }));
  assert(!verifyProof(proof, { builder: ends.connection, connection: ends.builder }));
  assert(!verifyProof({ ...proof, kind: "client-key" }, ends));
});

test("a proof with any flipped byte, another's key, or a wrong length fails without a throw", () => {
  const proof = prove("client-key", seed, ends);
  for (let at = 0; at < 64; at++) assert(!verifyProof({ ...proof, signature: flipped(proof.signature, at) }, ends));
  for (let at = 0; at < 32; at++) assert(!verifyProof({ ...proof, publicKey: flipped(proof.publicKey, at) }, ends));
  assert(!verifyProof({ ...proof, publicKey: prove("client-key", new Uint8Array(32), ends).publicKey }, ends));
  for (const length of [0, 31, 33]) assert(!verifyProof({ ...proof, publicKey: new Uint8Array(length) }, ends));
  for (const length of [0, 63, 65]) assert(!verifyProof({ ...proof, signature: new Uint8Array(length) }, ends));
});

test("a small-order key, under which a signature of zeros would hold, is refused", () => {
  const identity = Uint8Array.from([1, ...new Uint8Array(31)]);
  const forged: Proof = {
    kind: "client-key",
    publicKey: identity,
    signature: Uint8Array.from([...identity, ...new Uint8Array(32)]),
  };
  assert(!verifyProof(forged, ends));
});

function endpoint(byte: string): EndpointId {
  return byte.repeat(32) as EndpointId;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at ? byte ^ 0x40 : byte));
}
