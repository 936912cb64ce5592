import { once } from "node:events";
import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { Failure } from "./failure.ts";

/** Most bytes of a socket's path that every system takes. */
const maxPathBytes = 100;

/** Refuses a path that some systems would cut short. */
export function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxPathBytes) return;
  throw new Failure(
    "usage",
    "this machine",
    `the socket path ${path} has ${bytes} bytes; at most ${maxPathBytes} are possible`,
    {
      fix: "choose a folder with a shorter path",
    },
  );
}

/** Why a socket could not be bound. Binding in a folder that is not there is reported as EACCES, which would mislead. */
export async function cannotListen(path: string, cause: unknown): Promise<Failure> {
  const folder = dirname(path);
  const missing = (await lstat(folder).catch(codeOf)) === "ENOENT";
  const why = missing ? `the folder ${folder} does not exist` : textOf(cause);
  return new Failure("failed", "this machine", `cannot listen on ${path}: ${why}`, { cause });
}

/** Why an inherited descriptor cannot be listened on as a Unix socket. */
export function notOurs(descriptor: number, cause: unknown): Failure {
  const message = `descriptor ${descriptor} is no listening Unix socket: ${textOf(cause)}`;
  return new Failure("usage", "this machine", message, {
    cause,
    fix: "pass one: ListenStream=/run/drv-thru/builder.sock",
  });
}

/** Removes a socket that nobody answers on; refuses one that somebody does, and any other file. */
export async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Failure("failed", "this machine", `${path} exists and is no socket`);
  const probe = connect(path);
  try {
    await once(probe, "connect");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    if (codeOf(error) !== "ECONNREFUSED") {
      throw new Failure("failed", "this machine", `cannot tell who listens on ${path}: ${textOf(error)}`, {
        cause: error,
      });
    }
    await unlink(path);
    return;
  } finally {
    probe.destroy();
  }
  throw new Failure("failed", "this machine", `another program answers on ${path}`);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
