import { once } from "node:events";
import { join, resolve } from "node:path";
import { Failure } from "../../lib/failure.ts";
import type { Store } from "../store.ts";
import { Connection } from "./connection.ts";
import { handshake } from "./handshake.ts";
import { ownDaemon, ownsStore } from "./own-daemon.ts";
import { daemonStore } from "./store.ts";
import { absent, cannotConnect, noAnswer, notAllowed } from "./unreachable.ts";
import { dial, type Wire } from "./wire.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the daemon is, and how long to try. */
export interface DaemonOptions {
  /** Its Unix socket. Default: what `env` says. */
  readonly socketPath?: string | undefined;
  /** A store of this user's own, as `NIX_REMOTE` names it: a daemon is started for this conversation. Excludes `socketPath`. */
  readonly ownStore?: string | undefined;
  /** Ends the attempt to connect; not what comes after it. */
  readonly signal?: AbortSignal | undefined;
  /** `NIX_REMOTE`, `NIX_DAEMON_SOCKET_PATH` and `NIX_STATE_DIR` are taken from here. Default: of this process. */
  readonly env?: Environment | undefined;
}

/** A daemon that has not greeted after this time in milliseconds will not. */
const PATIENCE = 30_000;

/**
 * Connects to the Nix daemon and greets it. Where none listens and this user owns the store, as in a single-user installation, a daemon is started
 * for this conversation. Throws a `Failure` that says which socket, what happened there and what to do.
 */
export async function openDaemon(options: DaemonOptions = {}): Promise<Store> {
  const { socketPath, signal, env = process.env } = options;
  const ownStore = options.ownStore ?? (socketPath === undefined ? ownStoreOf(env) : undefined);
  const path = ownStore ?? socketPath ?? daemonSocket(env);
  const deadline = AbortSignal.timeout(PATIENCE);
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline;
  const own = (): Connected => ({ ...ownDaemon(env, ownStore), trust: "trusted" });
  const reach = async () =>
    connected(path, either, signal).catch(async error => {
      if (socketPath || chosenSocket(env) || !absent(error) || !(await ownsStore(stateFolder(env)))) throw error;
      return own();
    });
  if (signal?.aborted) throw cancelled(signal);
  const { wire, silent, trust } = ownStore === undefined ? await reach() : own();
  const giveUp = () => wire.destroy(signal?.aborted ? cancelled(signal) : noAnswer(path));
  either.addEventListener("abort", giveUp);
  if (either.aborted) giveUp();
  try {
    const greeting = await handshake(wire, silent);
    // A daemon before protocol 1.35 does not say it, but one of our own trusts whoever owns the store.
    return daemonStore(new Connection(wire, trust === undefined ? greeting : { ...greeting, trust }));
  } catch (error) {
    wire.destroy();
    throw error;
  } finally {
    either.removeEventListener("abort", giveUp);
  }
}

/** The daemon's socket as Nix itself finds it. */
export function daemonSocket(env: Environment): string {
  return chosenSocket(env) || join(stateFolder(env), "daemon-socket/socket");
}

/** A socket that somebody chose: where it does not answer, nothing else will do. */
function chosenSocket(env: Environment): string | undefined {
  const [, remote] = /^unix:\/\/([^?]+)/.exec(env["NIX_REMOTE"] ?? "") ?? [];
  return remote ?? env["NIX_DAEMON_SOCKET_PATH"];
}

/** A store of one's own that `NIX_REMOTE` names. Throws a usage `Failure` for a store that is not on this machine. */
export function ownStoreOf(env: Environment): string | undefined {
  const remote = env["NIX_REMOTE"] ?? "";
  if (["", "auto", "daemon"].includes(remote) || /^unix:\/\//.test(remote)) return undefined;
  if (remote === "local" || /^local\?/.test(remote)) return remote;
  // As Nix tells a folder from the name of a store.
  if (remote.includes("/") && !remote.includes("://") && !/[?\n\0]/.test(remote)) return resolve(remote);
  throw new Failure(
    "usage",
    "this machine",
    `NIX_REMOTE names the store ${JSON.stringify(remote.slice(0, 200))}, which is not on this machine`,
    { reason: "nix-remote", fix: "NIX_REMOTE=daemon, local, a folder, or unix:///SOCKET; or unset it" },
  );
}

function stateFolder(env: Environment): string {
  return env["NIX_STATE_DIR"] || "/nix/var/nix";
}

interface Connected {
  readonly wire: Wire;
  /** What it means if the daemon hangs up without a word. */
  readonly silent: () => Failure;
  /** Known without being told. */
  readonly trust?: "trusted";
}

async function connected(path: string, either: AbortSignal, signal: AbortSignal | undefined): Promise<Connected> {
  if (signal?.aborted) throw cancelled(signal);
  const { wire, socket } = dial(path);
  try {
    await once(socket, "connect", { signal: either });
    return { wire, silent: () => notAllowed(path) };
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
