import { isIP } from "node:net";

/** Whether a ticket can carry this relay: an http or https URL of at most 256 bytes. */
export function isRelayUrl(text: string): boolean {
  return (
    Buffer.byteLength(text) <= 256 && !/[\s\p{Cc}]/u.test(text) && /^https?:$/.test(URL.parse(text)?.protocol ?? "")
  );
}

/** Whether a ticket can carry this address: IP:PORT, an IPv6 one in brackets and without a zone. */
export function isAddress(text: string): boolean {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})$/i.exec(text);
  if (match === null) return false;
  const port = Number(match[3]);
  return port >= 1 && port <= 65_535 && (match[1] === undefined ? isIP(match[2] ?? "") === 4 : isIP(match[1]) === 6);
}
