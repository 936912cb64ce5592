import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { Failure } from "../../lib/failure.ts";
import type { Store } from "../store.ts";
import { Connection } from "./connection.ts";
import { handshake } from "./handshake.ts";
import { daemonStore } from "./store.ts";
import { cannotConnect, noAnswer, notAllowed } from "./unreachable.ts";
import { socketWire, type Wire } from "./wire.ts";

/** Where the daemon is, and how long to try. */
export interface DaemonOptions {
  /** Its Unix socket. Default: what `env` says. */
  readonly socketPath?: string | undefined;
  /** Ends the attempt to connect; not what comes after it. */
  readonly signal?: AbortSignal | undefined;
  /** `NIX_DAEMON_SOCKET_PATH` and `NIX_STATE_DIR` are taken from here. Default: of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** A daemon that has not greeted after this time in milliseconds will not. */
const PATIENCE = 30_000;

/** Connects to the Nix daemon and greets it. Throws a `Failure` that says which socket, what happened there and what to do. */
export async function openDaemon({ socketPath, signal, env = process.env }: DaemonOptions = {}): Promise<Store> {
  const path = socketPath ?? daemonSocket(env);
  const deadline = AbortSignal.timeout(PATIENCE);
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline;
  const wire = await connected(path, either, signal);
  const giveUp = () => wire.destroy(signal?.aborted ? cancelled(signal) : noAnswer(path));
  either.addEventListener("abort", giveUp);
  try {
    return daemonStore(new Connection(wire, await handshake(wire, () => notAllowed(path))));
  } catch (error) {
    wire.destroy();
    throw error;
  } finally {
    either.removeEventListener("abort", giveUp);
  }
}

/** The daemon's socket as Nix itself finds it. */
export function daemonSocket(env: Readonly<Record<string, string | undefined>>): string {
  const { NIX_DAEMON_SOCKET_PATH: socket, NIX_STATE_DIR: state } = env;
  return socket || join(state || "/nix/var/nix", "daemon-socket/socket");
}

async function connected(path: string, either: AbortSignal, signal: AbortSignal | undefined): Promise<Wire> {
  if (signal?.aborted) throw cancelled(signal);
  const socket = connect({ path });
  try {
    await once(socket, "connect", { signal: either });
    return socketWire(socket);
  } catch (error) {
    socket.destroy();
    if (signal?.aborted) throw cancelled(signal);
    throw either.aborted ? noAnswer(path) : cannotConnect(path, error);
  }
}

function cancelled(signal: AbortSignal): Failure {
  return new Failure("cancelled", "this machine", "connecting to the Nix daemon was cancelled", {
    cause: signal.reason,
  });
}
