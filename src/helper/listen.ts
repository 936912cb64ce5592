import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { chmod, chown, readFile } from "node:fs/promises";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { Failure } from "../lib/failure.ts";
import { errorCode } from "../lib/system-error.ts";
import { cannotListen, checkPath, removeStale } from "../lib/unix-path.ts";

/** Members of the group, and root, may ask. */
const MODE = 0o660;

/** Where the helper listens. */
export interface Place {
  readonly socketPath: string;
  /** Whose members may ask. */
  readonly group: string;
}

/** Listens on the socket that systemd made: its owner, group and mode are the unit's. */
export async function listenPassed(server: Server, [fd = -1, ...more]: readonly number[]): Promise<void> {
  if (more.length > 0) {
    throw new Failure(
      "usage",
      "this machine",
      `systemd handed ${more.length + 1} sockets to the helper, which serves one`,
      {
        fix: "name one ListenStream= in the .socket unit",
      },
    );
  }
  server.listen({ fd });
  try {
    await once(server, "listening");
  } catch (cause) {
    throw await cannotListen(`descriptor ${fd}, which systemd handed over`, cause);
  }
}

/** Makes the socket. One that nobody answers on is replaced; anything else in its place is an error. */
export async function listenAt(server: Server, { socketPath, group }: Place): Promise<void> {
  checkPath(socketPath);
  const gid = await groupId(group);
  makeFolder(dirname(socketPath));
  await removeStale(socketPath);
  // Nobody else may connect before the group is set.
  const umask = process.umask(0o177);
  try {
    server.listen(socketPath);
  } finally {
    process.umask(umask);
  }
  try {
    await once(server, "listening");
    await chown(socketPath, process.geteuid?.() ?? 0, gid);
    await chmod(socketPath, MODE);
  } catch (cause) {
    server.close();
    throw await cannotListen(socketPath, cause);
  }
}

/** `/run/drv-thru` is gone after each start of the machine. Everybody may look into it: the socket's own mode decides. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o755 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST" && errorCode(error) !== "ENOENT") throw error;
  }
}

async function groupId(name: string): Promise<number> {
  const line = (await fromFile(name)) ?? (await fromServices(name));
  const gid = Number(line?.split(":")[2]);
  if (line !== undefined && Number.isInteger(gid)) return gid;
  throw new Failure("usage", "this machine", `there is no group ${JSON.stringify(name)} on this machine`, {
    fix: "--group NAME says whose members may import through the helper, such as --group sudo",
  });
}

async function fromFile(name: string): Promise<string | undefined> {
  const text = await readFile("/etc/group", "utf8").catch(() => ""); // then the other way may know it
  return text.split("\n").find(line => line.startsWith(`${name}:`));
}

async function fromServices(name: string): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)("getent", ["group", "--", name]).catch(() => ({ stdout: "" })); // not known there, or no such program
  return stdout.trim() || undefined;
}
