import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../../src/lib/failure.ts";
import { openDaemon } from "../../src/nix/daemon/open.ts";
import { formatPublicKey, type SecretKey } from "../../src/nix/signing-key.ts";
import type { Store } from "../../src/nix/store.ts";

/** Why there can be no daemon here, or false. */
export const noDaemon: string | false =
  process.getuid?.() !== 0
    ? "needs root"
    : existsSync("/usr/bin/nix-daemon") || existsSync("/nix/var/nix/profiles/default/bin/nix-daemon")
      ? false
      : "needs Nix";

/** How the daemon is configured. */
export interface HostOptions {
  readonly trusted?: boolean;
  readonly allowed?: string;
  readonly trustedKey?: SecretKey;
}

/** A Nix daemon with a store of its own, in a mount namespace. */
export interface DaemonHost {
  readonly socketPath: string;
  open(): Promise<Store>;
  /** Runs a command where the daemon runs. */
  run(...command: string[]): Promise<{ status: number | null; output: string }>;
  close(): Promise<void>;
}

/** Starts one. Without `trusted` it trusts nobody, root neither. */
export async function startDaemon(options: HostOptions = {}): Promise<DaemonHost> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-daemon-"));
  for (const name of ["nix/store", "nix/var/nix/daemon-socket", "etc"]) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await chmod(folder, 0o755);
  await writeFile(join(folder, "etc/nix.conf"), config(options));
  const script = `set -e; mount --make-rprivate /; mkdir -p /nix /etc/nix
mount --bind ${folder}/nix /nix; mount --bind ${folder}/etc /etc/nix; exec nix-daemon`;
  const child = spawn("unshare", ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script], {
    env: { PATH: process.env["PATH"], HOME: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", chunk => {
    said += chunk;
  });
  const socketPath = join(folder, "nix/var/nix/daemon-socket/socket");
  const close = async () => {
    await stop(child);
    await removeStore(folder);
  };
  try {
    await reachable(socketPath, child, () => said);
  } catch (error) {
    await close();
    throw error;
  }
  return { socketPath, open: () => openDaemon({ socketPath }), run: (...command) => enter(child, command), close };
}

function config({ trusted = false, allowed = "*", trustedKey }: HostOptions): string {
  return `experimental-features = nix-command flakes
substituters =
build-users-group =
sandbox = false
trusted-users = ${trusted ? "root" : "nobody-at-all"}
allowed-users = ${allowed}
trusted-public-keys =${trustedKey ? ` ${formatPublicKey(trustedKey.public)}` : ""}
`;
}

async function reachable(socketPath: string, child: ChildProcess, said: () => string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (child.exitCode !== null) throw new Error(`the daemon ended: ${said()}`);
    if (existsSync(socketPath)) {
      try {
        (await openDaemon({ socketPath })).close();
        return;
      } catch (error) {
        // A daemon that refuses this user is up too.
        if (error instanceof Failure && error.code === "not-permitted") return;
      }
    }
    await sleep(25);
  }
  throw new Error(`the daemon did not start: ${said()}`);
}

/** Enters the namespaces of the daemon: those of the child of `unshare`. */
async function enter(holder: ChildProcess, command: readonly string[]) {
  const pid = (await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8")).trim().split(" ")[0] ?? "";
  const child = spawn("nsenter", ["-t", pid, "-m", "-p", ...command], {
    env: { PATH: process.env["PATH"], NIX_REMOTE: "daemon" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", chunk => {
      output += chunk;
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject);
  child.on("close", resolve);
  return { status: await promise, output };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once("exit", () => resolve());
  child.kill("SIGKILL");
  await promise;
}

/** Removes a folder with a store in it, whose folders are read-only. */
export async function removeStore(folder: string): Promise<void> {
  const store = join(folder, "nix/store");
  for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** The processes of this machine whose command line holds this text. */
export function processesWith(marker: string): string[] {
  return readdirSync("/proc").filter(pid => /^\d+$/.test(pid) && commandOf(pid).includes(marker));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it has ended meanwhile
  }
}
