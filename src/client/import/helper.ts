import { once } from "node:events";
import { lstat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { Failure } from "../../lib/failure.ts";
import { type HelperAnswer, type HelperQuestion, type HelperRefusal, readLine } from "../../lib/helper-protocol.ts";
import { errorCode, whyOf } from "../../lib/system-error.ts";
import { cleanText } from "../../lib/terminal.ts";
import { formatPublicKey, type PublicKey } from "../../nix/signing-key.ts";
import { cancelled } from "../cancelled.ts";

/** What was found where the import helper of this machine should be. */
export interface HelperFinding {
  readonly socketPath: string;
  /**
   * `allowed`: it takes the key. `key-not-allowed`: it does not. `no-permission`: this user may not ask it. Otherwise there is none: no file,
   * another kind of file, or nobody who answers.
   */
  readonly kind: "allowed" | "key-not-allowed" | "no-permission" | "absent" | "not-a-socket" | "silent";
  /** Whose members may ask, for `no-permission`: the number of the socket's group. */
  readonly gid?: number;
  /** Why it is `silent`. */
  readonly why?: string;
}

/** Time for a helper that systemd may have to start first, in milliseconds. */
const PATIENCE_MS = 20_000;
/** Where its log is, as the module and the units of drv-thru set it up. */
const LOG = "journalctl -u drv-thru-import-helper";
/** Longest answer in bytes. */
const MAX_ANSWER = 1 << 20;

/** Asks the helper whether it takes what this key signed. Throws only when it is cancelled. */
export async function findHelper(socketPath: string, key: PublicKey, signal: AbortSignal): Promise<HelperFinding> {
  try {
    const stat = await lstat(socketPath);
    if (!stat.isSocket()) return { socketPath, kind: "not-a-socket" };
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const question = { ask: "key", key: formatPublicKey(key) } as const;
    const answer = await askHelper(socketPath, question, deadline).catch(error => {
      if (errorCode(error) === "EACCES" || errorCode(error) === "EPERM") return stat.gid;
      throw error;
    });
    if (typeof answer === "number") return { socketPath, kind: "no-permission", gid: answer };
    if (answer.ok) return { socketPath, kind: "allowed" };
    if (answer.reason === "key-not-allowed") return { socketPath, kind: "key-not-allowed" };
    return { socketPath, kind: "silent", why: answer.message };
  } catch (error) {
    if (signal.aborted) throw cancelled(signal.reason);
    return notFound(socketPath, error);
  }
}

function notFound(socketPath: string, error: unknown): HelperFinding {
  const code = errorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return { socketPath, kind: "absent" };
  // The folder that it is in is closed.
  if (code === "EACCES") return { socketPath, kind: "no-permission" };
  if (code === "ECONNREFUSED") return { socketPath, kind: "silent", why: "nobody listens there" };
  return { socketPath, kind: "silent", why: whyOf(error) };
}

/** Lets the helper import; resolves when all is valid. Throws a `Failure` with what it says against it. Once the signal fires nothing goes on. */
export async function importThrough(
  socketPath: string,
  question: Extract<HelperQuestion, { ask: "import" }>,
  signal: AbortSignal,
): Promise<void> {
  const answer = await askHelper(socketPath, question, signal).catch(cause => {
    if (signal.aborted) throw cancelled(signal.reason);
    throw gone(whyOf(cause), cause);
  });
  if (!answer.ok) throw refused(answer.reason, answer.message);
}

async function askHelper(path: string, question: HelperQuestion, signal: AbortSignal): Promise<HelperAnswer> {
  signal.throwIfAborted();
  const socket = connect({ path });
  // What follows the connection is seen by its end.
  socket.on("error", () => undefined);
  try {
    await once(socket, "connect", { signal });
    socket.write(`${JSON.stringify(question)}\n`);
    return await hear(socket, signal);
  } finally {
    socket.destroy();
  }
}

async function hear(socket: Socket, signal: AbortSignal): Promise<HelperAnswer> {
  const line = await readLine(socket, MAX_ANSWER, signal);
  if (line === undefined) throw new Error("it hung up");
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) throw new Error("it answers in another language");
  const { ok, reason, message } = value as { ok?: unknown; reason?: unknown; message?: unknown };
  if (ok === true) return { ok };
  if (typeof reason !== "string" || typeof message !== "string") throw new Error("it answers in another language");
  return { ok: false, reason: reason as HelperRefusal, message: cleanText(message, 16 << 10) };
}

function refused(reason: HelperRefusal, message: string): Failure {
  if (reason === "stopping") return gone(message);
  if (reason === "key-not-allowed") return new Failure("not-permitted", "this machine", message, { reason });
  if (reason === "busy") {
    const fix = "wait until some of them have ended, and run the same command again: it goes on with the same build";
    return new Failure("busy", "this machine", `the import helper has no turn left: ${message}`, { reason, fix });
  }
  const who = reason === "malformed" ? "this machine" : "nix";
  const fix = `run the same command again; root finds more in the helper's log: ${LOG}`;
  return new Failure("failed", who, `the import helper could not import: ${message}`, { reason, fix });
}

function gone(why: string, cause?: unknown): Failure {
  return new Failure("unreachable", "this machine", `the import helper of this machine is gone: ${why}`, {
    reason: "helper-gone",
    fix: `run the same command again: it goes on with the same build; root finds why the helper stopped: ${LOG}`,
    cause,
  });
}
