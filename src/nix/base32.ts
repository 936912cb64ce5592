/**
 * Nix's base32: digits without e, o, t and u, least significant bits last.
 * Character i from the end holds the 5 bits from bit 5i on, bits counted from the lowest of the first byte; the bits past the last byte are 0.
 */

const DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";

/** How many characters so many bytes take. */
export function base32Length(bytes: number): number {
  return Math.ceil((bytes * 8) / 5);
}

/** The bytes in Nix's base32. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  for (let n = base32Length(bytes.length) - 1; n >= 0; n--) {
    const at = (n * 5) >> 3;
    const pair = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    text += DIGITS[(pair >> ((n * 5) & 7)) & 31];
  }
  return text;
}

/** The `length` bytes that a text spells, or `undefined` if it spells no or other bytes. */
export function decodeBase32(text: string, length: number): Uint8Array | undefined {
  if (text.length !== base32Length(length)) return undefined;
  const bytes = new Uint8Array(length);
  for (let n = 0; n < text.length; n++) {
    const digit = DIGITS.indexOf(text.charAt(text.length - 1 - n));
    if (digit < 0) return undefined;
    const at = (n * 5) >> 3;
    const pair = digit << ((n * 5) & 7);
    bytes[at] = (bytes[at] ?? 0) | (pair & 255);
    const above = pair >> 8;
    if (above === 0) continue;
    if (at + 1 >= length) return undefined;
    bytes[at + 1] = (bytes[at + 1] ?? 0) | above;
  }
  return bytes;
}
