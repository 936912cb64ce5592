import { ed25519 } from "@noble/curves/ed25519.js";
import { type Ends, type Proof, proofBytes } from "./proof.ts";

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
