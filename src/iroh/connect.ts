import { Failure, type FailureCode, type Who } from "../lib/failure.ts";
import type { ConnectOptions, PeerAddress } from "./interface.ts";
import type { ConnectProblem, RawConnecting, RawConnection, RawEndpoint } from "./raw.ts";

const defaultTimeout = 30_000;

/** Opens a binding's connection within the given time. Throws a `Failure`. */
export function connectWithin(
  endpoint: RawEndpoint,
  peer: PeerAddress,
  alpn: string,
  { signal, timeoutMs = defaultTimeout }: ConnectOptions,
): Promise<RawConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<RawConnection>();
  let connecting: RawConnecting | undefined;
  const giveUp = (failure: Failure) => {
    reject(failure);
    connecting?.giveUp();
  };
  const abort = () =>
    giveUp(new Failure("cancelled", "this machine", "connecting was cancelled", { cause: signal?.reason }));
  const timer = setTimeout(() => giveUp(problemFailure("no-answer", peer, alpn, timeoutMs)), timeoutMs);
  signal?.addEventListener("abort", abort, { once: true });
  const started = promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  });
  if (signal?.aborted) abort();
  else {
    connecting = endpoint.connect(peer, alpn);
    connecting.connection.then(resolve, cause =>
      reject(problemFailure(endpoint.connectProblem(cause), peer, alpn, timeoutMs, cause)),
    );
  }
  return started;
}

const problems: Record<ConnectProblem, readonly [FailureCode, Who]> = {
  "no-answer": ["unreachable", "the network"],
  "no-address": ["unreachable", "the network"],
  "wrong-endpoint": ["unreachable", "the network"],
  "no-common-protocol": ["failed", "the builder"],
  "bad-address": ["usage", "this machine"],
  "own-id": ["failed", "this machine"],
  closed: ["failed", "this machine"],
};

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
    "no-answer": `${who} did not answer within ${Math.ceil(timeoutMs / 1000)} s (tried ${at})`,
    "no-address": `nothing says where ${who} is (tried ${at})`,
    "wrong-endpoint": `another endpoint than ${peer.id} answers at ${at}`,
    "no-common-protocol": `${who} does not speak ${alpn}: it may be of another version`,
    "bad-address": `${peer.id} is no endpoint's id: it is not a public key`,
    "own-id": `${who} is this very process`,
    closed: "this endpoint is closed",
  };
  const [code, refused] = problems[problem];
  return new Failure(code, refused, texts[problem], { reason: problem, cause });
}

function places({ relayUrls = [], addresses = [] }: PeerAddress): string {
  const all = [...addresses, ...relayUrls.slice(0, 1)];
  return all.length === 0 ? "discovery alone" : all.join(", ");
}
