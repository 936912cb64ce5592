import type { Connection, Endpoint, EndpointAddr } from "@number0/iroh/index.js";
import { Failure } from "../../lib/failure.ts";
import type { ConnectOptions, PeerAddress } from "../interface.ts";
import type { Binding } from "./binding.ts";
import type { ByteConverter } from "./bytes.ts";
import { type ConnectProblem, connectProblem } from "./errors.ts";

const defaultTimeout = 30_000;

/** Opens a native connection within the given time. Throws a `Failure`; a connection that comes about later is closed. */
export function connectNative(
  { binding, bytes, endpoint }: { binding: Binding; bytes: ByteConverter; endpoint: Endpoint },
  peer: PeerAddress,
  alpn: string,
  { signal, timeoutMs = defaultTimeout }: ConnectOptions,
): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  let late = false;
  const giveUp = (failure: Failure) => {
    late = true;
    reject(failure);
  };
  const abort = () =>
    giveUp(new Failure("cancelled", "this machine", "connecting was cancelled", { cause: signal?.reason }));
  const timer = setTimeout(() => giveUp(problemFailure("no-answer", peer, alpn, timeoutMs)), timeoutMs);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  if (!late) {
    endpoint.connect(nativeAddress(binding, peer), bytes.toNativeCopy(Buffer.from(alpn, "latin1"))).then(
      connection => (late ? connection.close(0n, []) : resolve(connection)),
      cause => reject(problemFailure(connectProblem(cause), peer, alpn, timeoutMs, cause)),
    );
  }
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  });
}

/** The binding takes one relay: the first, which is the peer's home. */
function nativeAddress({ EndpointAddr, EndpointId }: Binding, peer: PeerAddress): EndpointAddr {
  const { id, relayUrls, addresses } = peer;
  try {
    return new EndpointAddr(EndpointId.fromString(id), relayUrls?.[0], [...(addresses ?? [])]);
  } catch (cause) {
    throw new Failure("usage", "this machine", `endpoint ${id} cannot be at ${places(peer)}`, {
      cause,
    });
  }
}

function problemFailure(
  problem: ConnectProblem,
  peer: PeerAddress,
  alpn: string,
  timeoutMs: number,
  cause?: unknown,
): Failure {
  const who = `endpoint ${peer.id}`;
  const at = places(peer);
  const texts: Record<ConnectProblem, string> = {
    "no-answer": `${who} did not answer within ${timeoutMs / 1000} s (tried ${at})`,
    "no-address": `nothing says where ${who} is (tried ${at})`,
    "wrong-endpoint": `another endpoint than ${peer.id} answers at ${at}`,
    "no-common-protocol": `${who} does not speak ${alpn}: it may be of another version`,
    "own-id": `${who} is this very process`,
    closed: "this endpoint is closed",
  };
  const code =
    problem === "closed" || problem === "own-id" || problem === "no-common-protocol" ? "failed" : "unreachable";
  const refused = problem === "no-common-protocol" ? "the builder" : code === "failed" ? "this machine" : "the network";
  return new Failure(code, refused, texts[problem], { reason: problem, cause });
}

function places({ relayUrls = [], addresses = [] }: PeerAddress): string {
  const all = [...addresses, ...relayUrls.slice(0, 1)];
  return all.length === 0 ? "discovery alone" : all.join(", ");
}
