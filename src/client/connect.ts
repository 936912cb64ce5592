import { Failure } from "../lib/failure.ts";
import { unixSession } from "../transport/unix.ts";
import { build } from "./build.ts";
import type { BuildRun } from "./build-run.ts";
import type { BuilderClient } from "./builder.ts";
import { cancelled } from "./cancelled.ts";
import { builderClient } from "./client.ts";
import { openConnection } from "./connection/connection.ts";
import { findDestination } from "./connection/destination.ts";
import { loadIdentity } from "./connection/identity.ts";
import { findLocalBuilder, socketCandidates } from "./connection/local.ts";
import { servicesOf } from "./connection/services.ts";
import { dialIroh } from "./iroh.ts";
import { writePin } from "./pins.ts";
import type { Target } from "./target.ts";

/** How to connect. */
export interface ConnectOptions {
  readonly target: Target;
  /** The client key's file; default `$XDG_CONFIG_HOME/drv-thru/secret.key` or `~/.config/drv-thru/secret.key`. */
  readonly clientKeyFile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Connects to a builder, at most 30 s, and presents the client key and the ticket. Throws `Failure`. */
export async function connect({ target, clientKeyFile, signal }: ConnectOptions): Promise<BuilderClient> {
  if (signal?.aborted) throw cancelled(signal.reason);
  if ("local" in target) {
    const session = unixSession(await findLocalBuilder(socketCandidates(target.local, process.env)));
    return builderClient(servicesOf(session), undefined, { build: refuseBuild, close: () => session.close() });
  }
  const destination = await findDestination(target, process.env);
  const identity = await loadIdentity(clientKeyFile, process.env);
  const connection = await openConnection(dialIroh, destination, identity, { signal });
  // Where it cannot be kept, the next connection asks again.
  if (destination.signingKey === undefined)
    await writePin(destination.peer.endpointId, connection.signingKey, process.env);
  const { services, principal, close } = connection;
  return builderClient(services, principal, { build: request => build({ ...request, target, clientKeyFile }), close });
}

function refuseBuild(): BuildRun {
  const message = "the administrator's socket starts no builds: they are charged to a ticket or a client key";
  const result = Promise.reject(
    new Failure("usage", "this machine", message, { fix: "make a ticket, and connect with that" }),
  );
  // Asked for or not, it is no crash.
  result.catch(() => undefined);
  return { result, async *[Symbol.asyncIterator]() {} };
}
