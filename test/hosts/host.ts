import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { asWho, ownUids, systemPath } from "./can.ts";
import { makeFiles, type NixConf, type User, writeNixConf } from "./files.ts";
import { type Ended, type Running, start } from "./process.ts";

/** Where every host sees this checkout, read-only. */
export const checkoutInside = "/drv-thru";
const checkout = join(import.meta.dirname, "../..");

/** How to run a program on a host. */
export interface RunOptions {
  /** `root`, or one of the host's users. Default: the host's own user. Where everything is one uid, only the home differs. */
  readonly user?: string;
  /** Added to a clean environment: PATH with `drv-thru` in it, HOME, USER, LANG. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the home. */
  readonly cwd?: string;
}

/** A process on a host. */
export interface HostProcess extends Running {
  /** Sends a signal to the process itself. */
  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** Its process id on the host. */
  readonly pid: Promise<number>;
}

/** A machine with a Nix of its own, in namespaces. */
export interface Host {
  /** The user that everything runs as by default: ordinary, and not trusted by Nix. */
  readonly user: string;
  /** Whether its users differ, or are one uid under several names. */
  readonly ownUids: boolean;
  /** Whether its Nix builds in a sandbox. */
  readonly sandboxed: boolean;
  /** Where the outside finds a file of the host's `/etc`, `/home`, `/nix`, `/root`, `/tmp` or `/var`. */
  outside(path: string): string;
  /** Starts a program. */
  spawn(argv: readonly string[], options?: RunOptions): HostProcess;
  /** Runs a program to its end, whatever that is. With a signal: SIGINT, once it fires. */
  run(argv: readonly string[], options?: RunOptions & { input?: string; signal?: AbortSignal }): Promise<Ended>;
  /** Changes `nix.conf` and starts the daemon anew. */
  configure(settings: NixConf): Promise<void>;
  /** Ends every process of the host and removes its files. May be repeated. */
  stop(): Promise<void>;
}

/** What a host is made with. */
export interface HostOptions {
  /** Its users; the first is the one that things run as. Default: one, named for the host. */
  readonly users?: readonly string[];
  /** Added to `nix.conf`. */
  readonly nixConf?: NixConf;
  /** Whether builds are sandboxed, where that is possible at all. Default false. */
  readonly sandbox?: boolean;
}

/** Makes a host and starts its Nix daemon. Whoever makes it stops it; if they die, it goes by itself. */
export async function makeHost(name: string, options: HostOptions = {}): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), `drv-thru-${name}-`));
  const users = usersNamed(options.users ?? [name]);
  makeFiles(folder, users, ownUids);
  const keeper = start(["sh", join(import.meta.dirname, "keeper.sh"), folder, checkout, ...asWho], {
    PATH: systemPath,
  });
  const stop = async () => {
    keeper.stdin.end();
    await keeper.ended;
  };
  try {
    const [, pid = ""] = await keeper.until(/^ready (\d+)$/m);
    const sandboxed = ownUids && options.sandbox === true;
    const host = new NamespaceHost(folder, pid, users, sandboxed, stop);
    await host.configure({ ...defaults(sandboxed), ...options.nixConf });
    return host;
  } catch (error) {
    await stop();
    throw error;
  }
}

function usersNamed(names: readonly string[]): User[] {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  return names.map((name, n) => (ownUids ? { name, uid: 1000 + n, gid: 1000 + n } : { name, uid, gid }));
}

function defaults(sandboxed: boolean): NixConf {
  return {
    "experimental-features": "nix-command flakes",
    substituters: "",
    "trusted-users": ownUids ? "root" : "somebody-else",
    "build-users-group": ownUids ? "nixbld" : "",
    sandbox: String(sandboxed),
    "sandbox-fallback": "false",
  };
}

class NamespaceHost implements Host {
  readonly ownUids = ownUids;
  readonly user: string;
  readonly sandboxed: boolean;
  readonly stop: () => Promise<void>;
  readonly #folder: string;
  readonly #enter: readonly string[];
  readonly #users: readonly User[];
  #conf: NixConf = {};
  #daemon: HostProcess | undefined;

  constructor(folder: string, pid: string, users: readonly User[], sandboxed: boolean, stop: () => Promise<void>) {
    this.#folder = folder;
    this.#users = users;
    this.user = users[0]?.name ?? "root";
    this.sandboxed = sandboxed;
    this.stop = stop;
    const user = ownUids ? [] : ["--user", "--preserve-credentials"];
    this.#enter = ["nsenter", "--target", pid, ...user, "--mount", "--pid", "--"];
  }

  outside(path: string): string {
    return join(this.#folder, path);
  }

  spawn(argv: readonly string[], { user = this.user, env = {}, cwd }: RunOptions = {}): HostProcess {
    const home = user === "root" ? "/root" : `/home/${user}`;
    const drop = this.#becoming(user);
    const clean = {
      PATH: `${checkoutInside}/scripts:/usr/local/bin:/usr/bin:/bin${user === "root" ? ":/usr/sbin:/sbin" : ""}`,
      HOME: home,
      USER: user,
      LANG: "C.UTF-8",
      // Where all is one uid the store's files are the user's own, and Nix would go round the daemon.
      ...(ownUids || user === "root" ? {} : { NIX_REMOTE: "daemon" }),
      ...env,
    };
    const settings = Object.entries(clean).map(([name, value]) => `${name}=${value}`);
    const tellPid = ["sh", "-c", 'echo $$ >&3; exec "$@" 3>&-', "sh"];
    const became = ["env", "-i", `--chdir=${cwd ?? home}`, ...settings, ...argv];
    const { child, ...running } = start([...this.#enter, ...tellPid, ...drop, ...became], { PATH: systemPath }, [
      "pipe",
    ]);
    const pid = firstLine(child.stdio[3] as NodeJS.ReadableStream).then(Number);
    const signal = async (name: string) => {
      await start([...this.#enter, "kill", `-${name.slice(3)}`, String(await pid)], { PATH: systemPath }).ended;
    };
    return { ...running, pid, signal };
  }

  async run(
    argv: readonly string[],
    options: RunOptions & { input?: string; signal?: AbortSignal } = {},
  ): Promise<Ended> {
    const running = this.spawn(argv, options);
    running.stdin.end(options.input ?? "");
    const interrupt = () => void running.signal("SIGINT");
    options.signal?.addEventListener("abort", interrupt, { once: true });
    try {
      return await running.ended;
    } finally {
      options.signal?.removeEventListener("abort", interrupt);
    }
  }

  async configure(settings: NixConf): Promise<void> {
    this.#conf = { ...this.#conf, ...settings };
    writeNixConf(this.#folder, this.#conf);
    await this.#daemon?.signal("SIGKILL");
    await this.#daemon?.ended;
    const socket = this.outside("/nix/var/nix/daemon-socket/socket");
    rmSync(socket, { force: true });
    const daemon = this.spawn(["nix-daemon"], { user: "root" });
    this.#daemon = daemon;
    const failed = daemon.ended.then(({ stderr }) => {
      throw new Error(`nix-daemon ended before it was ready: ${stderr}`);
    });
    await Promise.race([failed, appears(socket)]);
    failed.catch(() => undefined);
  }

  #becoming(name: string): string[] {
    if (!ownUids || name === "root") return [];
    const user = this.#users.find(known => known.name === name);
    if (!user) throw new Error(`this host has no user ${name}`);
    return ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
  }
}

/** The first line of a stream, which the program that entered the host for us keeps open. */
async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return text.trim();
}

async function appears(path: string): Promise<void> {
  while (!existsSync(path)) await setTimeout(20);
}
