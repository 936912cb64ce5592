import { ed25519 } from "@noble/curves/ed25519.js";
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

const LABEL = Buffer.from("drv-thru/present/1\0", "ascii");

/** The 116 bytes that a proof signs: `docs/protocol.md`, section Present. */
export function proofBytes(kind: ProofKind, publicKey: Uint8Array, ends: Ends): Uint8Array {
  if (publicKey.length !== 32) throw new Error("a credential's public key has 32 bytes");
  const parts = [LABEL, [proofKind[kind]], publicKey, idToBytes(ends.builder), idToBytes(ends.connection)];
  return Uint8Array.from(parts.flatMap(part => [...part]));
}

/** Proves possession of a 32-byte seed on one connection. */
export function prove(kind: ProofKind, seed: Uint8Array, ends: Ends): Proof {
  const publicKey = ed25519.getPublicKey(seed);
  return { kind, publicKey, signature: ed25519.sign(proofBytes(kind, publicKey, ends), seed) };
}

/** Whether a proof holds on this connection. Strict RFC 8032: no small-order keys, one encoding each. Never throws on hostile bytes. */
export function verifyProof(proof: Proof, ends: Ends): boolean {
  if (proof.publicKey.length !== 32 || proof.signature.length !== 64) return false;
  try {
    const bytes = proofBytes(proof.kind, proof.publicKey, ends);
    return ed25519.verify(proof.signature, bytes, proof.publicKey, { zip215: false });
  } catch {
    return false; // bytes that are no point of the curve
  }
}

/** The public key of a 32-byte seed as an id: a ticket's, a client's, or an endpoint's. */
export function idOfSecret<Id extends TicketId | ClientId | EndpointId>(seed: Uint8Array): Id {
  const id = idFromBytes<Id>(ed25519.getPublicKey(seed));
  if (id === undefined) throw new Error("a public key has 32 bytes");
  return id;
}
