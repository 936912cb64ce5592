import { unixSession } from "../transport/unix.ts";
import type { BuilderClient } from "./builder.ts";
import { builderClient } from "./client.ts";
import { openConnection } from "./connection/connection.ts";
import { loadIdentity, parseTarget } from "./connection/identity.ts";
import { findLocalBuilder, socketCandidates } from "./connection/local.ts";
import { servicesOf } from "./connection/services.ts";
import { cancelled } from "./errors.ts";
import { dialIroh } from "./iroh.ts";
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
    return builderClient(servicesOf(session), undefined, () => session.close());
  }
  const destination = parseTarget(target);
  const identity = await loadIdentity(clientKeyFile, process.env);
  const connection = await openConnection(dialIroh, destination, identity, { signal });
  return builderClient(connection.services, connection.principal, connection.close);
}
