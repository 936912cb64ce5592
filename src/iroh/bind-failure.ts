import { Failure } from "../lib/failure.ts";
import type { SocketAddress } from "./address.ts";

/** Why sockets could not be bound, with the system's error number (98: in use) where there is one. */
export function bindFailure(errno: number | undefined, asked: readonly SocketAddress[], cause: unknown): Failure {
  const where = asked.length === 0 ? "any address" : asked.map(({ text }) => text).join(" and ");
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
