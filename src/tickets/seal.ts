import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { idToBytes, type TicketId } from "../lib/ids.ts";

const VERSION = 1;
const NONCE = 12;
const TAG = 16;

/** The key that seals tickets' secrets at rest, derived from the builder's Iroh secret. */
export function sealingKey(irohSecret: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", irohSecret, new Uint8Array(0), "drv-thru/ticket-seal/1", 32));
}

/** Seals a ticket's 32-byte secret so that a stolen database gives no tickets: a version byte, the nonce, the text and its tag. */
export function sealSecret(key: Uint8Array, id: TicketId, secret: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(idToBytes(id));
  const text = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Uint8Array.from(Buffer.concat([Uint8Array.of(VERSION), nonce, text, cipher.getAuthTag()]));
}

/** The secret again, or `undefined` if it was sealed with another key, for another ticket, or was changed. */
export function openSecret(key: Uint8Array, id: TicketId, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length !== 1 + NONCE + 32 + TAG || sealed[0] !== VERSION) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, 1 + NONCE), { authTagLength: TAG });
  decipher.setAAD(idToBytes(id)).setAuthTag(sealed.subarray(-TAG));
  try {
    return Uint8Array.from(Buffer.concat([decipher.update(sealed.subarray(1 + NONCE, -TAG)), decipher.final()]));
  } catch {
    return undefined; // the tag does not fit
  }
}
