import { isWildcard, parseBind, type SocketAddress, socketAddress } from "./address.ts";
import { bindFailure } from "./bind-failure.ts";

/** Tries to bind: what was asked for, and beside it what keeps the other IP family closed. `errno` is the system's number of an error. */
export async function bindBoth<T>(
  asked: readonly SocketAddress[],
  bind: (addresses: readonly SocketAddress[]) => Promise<T>,
  errno: (error: unknown) => number | undefined,
): Promise<T> {
  const other = otherFamily(asked);
  try {
    // The addition may fail where this machine lacks the family or the port is taken there: then it is left out.
    if (other !== undefined) return await bind([...asked, other]);
  } catch (error) {
    if (errno(error) === undefined) throw bindFailure(undefined, asked, error);
  }
  try {
    return await bind(asked);
  } catch (error) {
    throw bindFailure(errno(error), asked, error);
  }
}

/**
 * What to listen on in the family that was not asked for, where the binding by itself would take all its addresses and a random
 * port: nothing but loopback beside one address, and beside all addresses the same port, so that it outlives a restart there too.
 */
function otherFamily(asked: readonly SocketAddress[]): SocketAddress | undefined {
  const [only, second] = asked;
  if (only === undefined || second !== undefined) return undefined;
  if (!isWildcard(only)) return only.family === 4 ? socketAddress("::1", 0) : socketAddress("127.0.0.1", 0);
  if (only.port === 0) return undefined;
  return only.family === 4 ? socketAddress("::", only.port) : socketAddress("0.0.0.0", only.port);
}

/** Whether an address is not just the loopback that keeps the other IP family closed (see {@link bindBoth}). */
export function wasAskedFor(text: string, bind: readonly SocketAddress[]): boolean {
  const family = parseBind(text)?.family;
  return !/^(127\.|\[::1\])/.test(text) || bind.length === 0 || bind.some(address => address.family === family);
}

/** Ports of the addresses that were asked for; what was bound beside them for safety is nobody's business. */
export function boundPorts(sockets: readonly string[], bind: readonly SocketAddress[]): number[] {
  const bound = sockets.flatMap(text => parseBind(text) ?? []);
  if (bind.length === 0) return bound.map(({ port }) => port);
  return bind.flatMap(({ family }) => bound.find(address => address.family === family)?.port ?? []);
}
