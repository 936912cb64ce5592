import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { type ClientId, type EndpointId, idFromBytes, idToBytes, type TicketId } from "../lib/ids.ts";

/** Of which secret a proof speaks; the numbers are those of the signed bytes and of `CredentialKind` on the wire. */
export const proofKind = { "client-key": 1, ticket: 2 } as const;

/** Of which secret a proof speaks. */
export type ProofKind = keyof typeof proofKind;

/** The two ends of a connection, as the carrier proved them. */
export interface Ends {
  readonly builder: EndpointId;
  /** The endpoint of whoever presents. */
  readonly connection: EndpointId;
}

/** A signature over one connection: whoever made it holds the secret, and it is worth nothing on any other connection. */
export interface Proof {
  readonly kind: ProofKind;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

// By node:crypto: @noble/curves first makes tables, for a tenth of a second of each command.
const PKCS8_SEED = Buffer.from("302e020100300506032b657004220420", "hex");
const LABEL = Buffer.from("drv-thru/present/1\0", "ascii");

/** The 116 bytes that a proof signs: `docs/protocol.md`, section Present. */
export function proofBytes(kind: ProofKind, publicKey: Uint8Array, ends: Ends): Uint8Array {
  if (publicKey.length !== 32) throw new Error("a credential's public key has 32 bytes");
  const parts = [LABEL, [proofKind[kind]], publicKey, idToBytes(ends.builder), idToBytes(ends.connection)];
  return Uint8Array.from(parts.flatMap(part => [...part]));
}

/** Proves possession of a 32-byte seed on one connection. */
export function prove(kind: ProofKind, seed: Uint8Array, ends: Ends): Proof {
  const key = keyOf(seed);
  const publicKey = publicOf(key);
  return { kind, publicKey, signature: Uint8Array.from(sign(null, proofBytes(kind, publicKey, ends), key)) };
}

/** The public key of a 32-byte seed as an id: a ticket's, a client's, or an endpoint's. */
export function idOfSecret<Id extends TicketId | ClientId | EndpointId>(seed: Uint8Array): Id {
  const id = idFromBytes<Id>(publicOf(keyOf(seed)));
  if (id === undefined) throw new Error("a public key has 32 bytes");
  return id;
}

function keyOf(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new Error("the seed of a key has 32 bytes");
  return createPrivateKey({ key: Buffer.concat([PKCS8_SEED, seed]), format: "der", type: "pkcs8" });
}

/** The 32 bytes at the end of what X.509 makes of a key. */
function publicOf(key: KeyObject): Uint8Array {
  return Uint8Array.from(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32));
}
