import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { HELPER_LIMITS, HELPER_SOCKET } from "../lib/helper-protocol.ts";
import { passedSockets } from "../lib/passed-sockets.ts";
import { callerLookUp } from "./caller.ts";
import { type Answering, converse } from "./converse.ts";
import { importPaths } from "./import.ts";
import { readAllowedKeys } from "./keys.ts";
import { listenAt, listenPassed } from "./listen.ts";
import type { HelperLog } from "./log.ts";
import { Turns } from "./turns.ts";

/** How the import helper is to run. */
export interface HelperOptions {
  /** The file of keys whose signatures it takes. */
  readonly keyFile: string;
  /** Its socket, unless systemd hands one over. Default {@link HELPER_SOCKET}. */
  readonly socketPath?: string | undefined;
  /** The group whose members may ask. Default `wheel`. */
  readonly group?: string | undefined;
  /** Where `LISTEN_FDS` and `LISTEN_PID` are looked for. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: HelperLog;
  /** Time for a whole question to arrive, in milliseconds. Default {@link HELPER_LIMITS}. */
  readonly askingMs?: number | undefined;
}

/** A running helper. */
export interface Helper {
  /** Stops: ends what is under way, and tells those who wait. */
  stop(): Promise<void>;
}

/** Connections at once; further ones are closed. */
const MAX_CONNECTIONS = 64;
/** Of those that one user has waiting each holds a connection: with all that wait of two users there is room for others. */
const TURNS = { atOnce: 4, ofOne: 3, waitingOfOne: 16 };

/** Starts the import helper. Throws a `Failure` that says what to do. */
export async function startHelper(options: HelperOptions): Promise<Helper> {
  const { keyFile, socketPath = HELPER_SOCKET, group = "wheel", env, log } = options;
  const allowed = await readAllowedKeys(keyFile);
  const server = createServer({ allowHalfOpen: true });
  server.maxConnections = MAX_CONNECTIONS;
  const stopping = new AbortController();
  const { askingMs = HELPER_LIMITS.askingMs } = options;
  const running = answerAll(server, { allowed, log, callerOf: callerLookUp(), askingMs, stopping: stopping.signal });
  const passed = passedSockets(env, process.pid);
  if (passed.length > 0) await listenPassed(server, passed);
  else await listenAt(server, { socketPath, group });
  const names = [...allowed.values()].map(key => key.name);
  const socket = passed.length > 0 ? "from systemd" : socketPath;
  log.info({ socket, keys: names.length, names }, "the import helper serves");
  const uid = process.geteuid?.() ?? 0;
  if (uid !== 0) log.warn({ uid }, "not run by root: Nix takes what an allowed key signed only from whom it trusts");
  if (names.length === 0) log.warn({ file: keyFile }, "no key is allowed, so nothing can be imported");
  return {
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      stopping.abort(new Error("the import helper is stopping"));
      await Promise.all([...running, closed]);
    },
  };
}

function answerAll(server: Server, answering: Omit<Answering, "importPaths">): Set<Promise<void>> {
  const turns = new Turns(TURNS);
  const running = new Set<Promise<void>>();
  const takingTurns: Answering["importPaths"] = async (options, whose, gone) => {
    const leave = await turns.take(whose, gone);
    return await importPaths(options, gone).finally(leave);
  };
  server.on("connection", socket => {
    const talk = converse(socket, { ...answering, importPaths: takingTurns });
    running.add(talk);
    void talk.finally(() => running.delete(talk));
  });
  return running;
}
