import type { Endpoint, EndpointBuilder } from "@number0/iroh/index.js";
import { Failure } from "../../lib/failure.ts";
import { isWildcard, type SocketAddress, socketAddress } from "../address.ts";
import type { CheckedOptions } from "../check.ts";
import type { Binding } from "./binding.ts";
import type { ByteConverter } from "./bytes.ts";
import { bindErrno } from "./errors.ts";

/** Binds the native endpoint that the options describe. Throws a `Failure` that names the addresses. */
export async function bindNative(binding: Binding, bytes: ByteConverter, options: CheckedOptions): Promise<Endpoint> {
  const asked = options.bind;
  const other = otherFamily(asked);
  try {
    // The addition may fail where this machine lacks the family or the port is taken there: then it is left out.
    if (other !== undefined) return await builder(binding, bytes, options, [...asked, other]).bind();
  } catch (error) {
    if (bindErrno(error) === undefined) throw bindFailure(error, asked);
  }
  try {
    return await builder(binding, bytes, options, asked).bind();
  } catch (error) {
    throw bindFailure(error, asked);
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

function builder(
  binding: Binding,
  bytes: ByteConverter,
  { relay, discovery, secretKey, alpns }: CheckedOptions,
  bind: readonly SocketAddress[],
): EndpointBuilder {
  const { Endpoint, RelayMode, presetMinimal, presetN0, presetN0DisableRelay } = binding;
  const made = Endpoint.builder();
  if (!discovery) presetMinimal(made);
  else if (relay === "none") presetN0DisableRelay(made);
  else presetN0(made);
  if (relay === "none") made.relayMode(RelayMode.disabled());
  else if (relay === "default") made.relayMode(RelayMode.defaultMode());
  else made.relayMode(RelayMode.customFromUrls([...relay.urls]));
  if (secretKey !== undefined) made.secretKey(bytes.toNativeCopy(secretKey));
  made.alpns(alpns.map(alpn => bytes.toNativeCopy(Buffer.from(alpn, "latin1"))));
  for (const { text } of bind) made.bindAddr(text);
  return made;
}

function bindFailure(cause: unknown, asked: readonly SocketAddress[]): Failure {
  const where = asked.length === 0 ? "any address" : asked.map(({ text }) => text).join(" and ");
  const errno = bindErrno(cause);
  const because = errno === undefined ? undefined : reasons.get(errno);
  const fix = because?.reason === "address-in-use" ? { fix: holder(asked) } : {};
  const reason = because?.reason ?? "bind-failed";
  const text = because?.text ?? (errno === undefined ? "the binding refused" : `system error ${errno}`);
  return new Failure("failed", "this machine", `cannot listen on ${where} (UDP): ${text}`, { ...fix, reason, cause });
}

/** The system's error numbers that people meet; Linux, then macOS where it differs. */
const reasons = new Map([
  [98, { reason: "address-in-use", text: "already in use" }],
  [48, { reason: "address-in-use", text: "already in use" }],
  [99, { reason: "no-such-address", text: "this machine does not have that address" }],
  [49, { reason: "no-such-address", text: "this machine does not have that address" }],
  [97, { reason: "no-such-address", text: "this machine does not have that address family" }],
  [13, { reason: "not-permitted", text: "permission denied" }],
]);

function holder(asked: readonly SocketAddress[]): string {
  const ports = asked.filter(({ port }) => port !== 0).map(({ port }) => `sport = :${port}`);
  return `ss -lunp '${ports.join(" or ")}'`;
}
