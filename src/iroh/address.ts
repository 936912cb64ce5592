import { isIP } from "node:net";

/** An IP address with a port. */
export interface SocketAddress {
  readonly family: 4 | 6;
  readonly host: string;
  /** 0 in an address to listen on: any free one. */
  readonly port: number;
  /** `HOST:PORT`, IPv6 in brackets. */
  readonly text: string;
}

/** An address of a family, with its text. */
export function socketAddress(host: string, port: number): SocketAddress | undefined {
  const family = isIP(host);
  if ((family !== 4 && family !== 6) || host.includes("%") || port > 65535) return undefined;
  return { family, host, port, text: `${family === 6 ? `[${host}]` : host}:${port}` };
}

/** Reads `ADDR` or `ADDR:PORT` (IPv6 in brackets where a port follows), or `undefined`. Names are not looked up. */
export function parseBind(text: string): SocketAddress | undefined {
  return isIP(text) === 0 ? parseParts(text) : socketAddress(text, 0);
}

/** Reads `ADDR:PORT` with a port that is not 0, or `undefined`. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const address = parseParts(text);
  return address === undefined || address.port === 0 ? undefined : address;
}

/** Whether an address stands for all addresses of its family. */
export function isWildcard({ host }: SocketAddress): boolean {
  return /^[0.:]+$/.test(host);
}

function parseParts(text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2] ?? "";
  // Brackets belong to IPv6 and to it alone.
  return (match[1] === undefined) === (isIP(host) === 4) ? socketAddress(host, Number(match[3] ?? 0)) : undefined;
}
