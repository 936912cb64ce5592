import type { ChildProcess } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { ownUids, systemPath } from "./can.ts";
import { compiledInside } from "./compiled.ts";
import { checkoutInside, type NixConf, type User, writeNixConf } from "./files.ts";
import type { Host, HostOptions, HostProcess, RunOptions } from "./host.ts";
import { type Ended, start } from "./process.ts";

/** A host that `keeper.sh` keeps: its programs are started by entering its namespaces. */
export class NamespaceHost implements Host {
  readonly ownUids = ownUids;
  readonly user: string;
  readonly sandboxed: boolean;
  readonly firstPid: string;
  readonly #folder: string;
  readonly #enter: readonly string[];
  readonly #users: readonly User[];
  /** The programs that entered the host for us, one for each process. They stop when that is stopped, and do not go on by themselves. */
  readonly #entered = new Set<ChildProcess>();
  readonly #release: () => Promise<void>;
  #conf: NixConf = {};
  #daemon: HostProcess | undefined;

  constructor(folder: string, pid: string, users: readonly User[], made: HostOptions, release: () => Promise<void>) {
    this.#folder = folder;
    this.#users = users;
    this.user = users[0]?.name ?? "root";
    this.sandboxed = ownUids && made.sandbox === true;
    this.#release = release;
    this.firstPid = pid;
    const user = ownUids ? [] : ["--user", "--preserve-credentials"];
    const net = made.ownNetwork ? ["--net"] : [];
    this.#enter = ["nsenter", "--target", pid, ...user, "--mount", "--pid", ...net, "--"];
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
      // Every command of a story loads the same sources: it need not compile them each time.
      NODE_COMPILE_CACHE: compiledInside(this.#users.find(({ name }) => name === user)?.uid ?? process.getuid?.() ?? 0),
      // Where all is one uid the store's files are the user's own, and Nix would go round the daemon.
      ...(ownUids || user === "root" ? {} : { NIX_REMOTE: "daemon" }),
      // Which Iroh is tested is the tests' affair.
      ...(process.env["DRV_THRU_IROH"] ? { DRV_THRU_IROH: process.env["DRV_THRU_IROH"] } : {}),
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
      // The shell's own `kill`: not every system has the program.
      const kill = ["sh", "-c", `kill -${name.slice(3)} ${await pid}`];
      await start([...this.#enter, ...kill], { PATH: systemPath }).ended;
      if (name !== "SIGSTOP") child.kill("SIGCONT");
    };
    this.#entered.add(child);
    child.once("close", () => this.#entered.delete(child));
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

  async stop(): Promise<void> {
    await this.#release();
    for (const child of this.#entered) child.kill("SIGCONT");
  }

  #becoming(name: string): string[] {
    if (!ownUids || name === "root") return [];
    const user = this.#users.find(known => known.name === name);
    if (!user) throw new Error(`this host has no user ${name}`);
    return ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups"];
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
