import { execFile } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { Failure } from "../../lib/failure.ts";
import { errorCode } from "../../lib/system-error.ts";
import { type Environment, stateFolder } from "../paths.ts";
import type { LocalTarget } from "../target.ts";

/** The socket's name in a data folder. */
const SOCKET = "builder.sock";

/** Longest path of a socket that every system takes, in bytes. */
const MAX_SOCKET_PATH = 100;

/** Where a builder's administrator's socket may be, in the order of trying. Who names a folder means that one. */
export function socketCandidates({ dataDir }: LocalTarget, env: Environment): string[] {
  const named = dataDir ?? (env["DRV_THRU_DATA_DIR"] || undefined);
  if (named !== undefined) return [resolve(named, SOCKET)];
  const own = stateFolder(env);
  return [
    "/run/drv-thru/builder.sock",
    ...(own === undefined ? [] : [join(own, SOCKET)]),
    join("/var/lib/drv-thru", SOCKET),
  ];
}

/** The first candidate on which a builder answers. Throws a `Failure` that lists where it looked. */
export async function findLocalBuilder(candidates: readonly string[]): Promise<string> {
  const looked: string[] = [];
  let forbidden: string | undefined;
  for (const path of candidates) {
    const trouble = await tryConnect(path);
    if (trouble === undefined) return path;
    if (trouble === "EACCES" && (await isVisible(path))) forbidden ??= path;
    looked.push(`  ${path}: ${TROUBLES[trouble] ?? trouble}`);
  }
  if (forbidden !== undefined) throw await notAllowed(forbidden);
  throw new Failure(
    "unreachable",
    "this machine",
    `no builder answers on this machine; looked at\n${looked.join("\n")}`,
    {
      reason: "no-local-builder",
      fix: "start one: drv-thru serve\nor name its data folder: --data-dir DIR",
    },
  );
}

const TROUBLES: Readonly<Record<string, string>> = {
  ENOENT: "not there",
  EACCES: "in a folder that is closed to you (as root you may look)",
  ECONNREFUSED: "nobody answers (it was not stopped cleanly, or is not up yet)",
  ENOTDIR: "not a folder",
  ENOTSOCK: "not a socket",
};

async function tryConnect(path: string): Promise<string | undefined> {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH)
    return `a path of ${bytes} bytes, more than the ${MAX_SOCKET_PATH} that a socket may have`;
  const socket = connect({ path });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(5000) });
    return undefined;
  } catch (error) {
    return errorCode(error) ?? "it does not answer";
  } finally {
    socket.destroy();
  }
}

async function isVisible(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false, // the folder is closed: nobody can say whether a builder is in it
  );
}

async function notAllowed(path: string): Promise<Failure> {
  const group = await groupOf(path);
  const who =
    group === undefined ? "as root or as the user that runs the builder" : `as root or as a member of ${group}`;
  return new Failure("not-permitted", "this machine", `you may not open ${path}`, {
    reason: "socket-permission",
    fix: `run the command ${who}`,
  });
}

async function groupOf(path: string): Promise<string | undefined> {
  try {
    const { gid, mode } = await stat(path);
    if ((mode & 0o060) === 0) return undefined;
    const { stdout } = await promisify(execFile)("getent", ["group", String(gid)]);
    return `the group ${stdout.split(":")[0] || gid}`;
  } catch {
    // The folder may be closed too, or there is no getent: then the general advice must do.
    return undefined;
  }
}
