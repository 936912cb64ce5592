import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asWho, ownUids, systemPath } from "./can.ts";
import { makeCompiledFolders } from "./compiled.ts";
import { type Groups, makeFiles, type NixConf, type User } from "./files.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { type Ended, type Running, start } from "./process.ts";

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
  signal(name: "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): Promise<void>;
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
  /** Its first process, as the outside knows it. */
  readonly firstPid: string;
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
  /** Groups that there are beside those of the users, and who is in them: where users differ at all. */
  readonly groups?: Groups;
  /** Added to `nix.conf`. */
  readonly nixConf?: NixConf;
  /** Whether builds are sandboxed, where that is possible at all. Default false. */
  readonly sandbox?: boolean;
  /** Whether it has a network of its own, with nothing in it yet but a loopback that is down. Default false: this machine's network. */
  readonly ownNetwork?: boolean;
  /** The folder of the system whose programs it has, Nix among them. Default: this machine's. */
  readonly system?: string;
}

/** Makes a host and starts its Nix daemon. Whoever makes it stops it; if they die, it goes by itself. */
export async function makeHost(name: string, options: HostOptions = {}): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), `drv-thru-host-${name}-`));
  const users = usersNamed(options.users ?? [name]);
  const { groups = {}, system = "/" } = options;
  makeFiles(folder, users, { ownUids, groups, system });
  makeCompiledFolders(checkout, ownUids ? [...users, { uid: 0, gid: 0 }] : users);
  const unshared = options.ownNetwork ? [...asWho, "--net"] : asWho;
  const keeper = start(["sh", join(import.meta.dirname, "keeper.sh"), folder, checkout, system, ...unshared], {
    PATH: systemPath,
  });
  const stop = async () => {
    keeper.stdin.end();
    await keeper.ended;
  };
  try {
    const [, pid = ""] = await keeper.until(/^ready (\d+)$/m);
    const host = new NamespaceHost(folder, pid, users, options, stop);
    await host.configure({ ...defaults(host.sandboxed), ...options.nixConf });
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
