import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownUids, whyNoHosts } from "./can.ts";
import { checkoutInside } from "./files.ts";
import type { Host, HostProcess, RunOptions } from "./host.ts";
import type { Ended } from "./process.ts";

const script = `${checkoutInside}/test/hosts/systemd.sh`;
const UNITS = "/etc/systemd/drv-thru-test";

/** Targets that units are tied to, here without anything of the machine's behind them. */
const TARGETS = ["multi-user", "sockets", "sysinit", "basic", "shutdown", "network-online"] as const;

/** Why systemd cannot be run on a host here, in words for a skipped test, or `undefined` if it can. */
export function whyNoSystemd(): string | undefined {
  if (!ownUids) return "needs root: systemd is to be the first process of a host";
  for (const file of ["/lib/systemd/systemd", "/usr/bin/systemctl"]) if (!existsSync(file)) return `needs ${file}`;
  if (!readFileSync("/proc/filesystems", "utf8").includes("cgroup2")) return "needs a kernel with cgroup2";
  return whyNoHosts();
}

/** A running systemd on a host. */
export class Systemd implements AsyncDisposable {
  readonly #host: Host;
  readonly #process: HostProcess;

  private constructor(host: Host, process: HostProcess) {
    this.#host = host;
    this.#process = process;
  }

  /** Starts systemd with these units, by name; those of `wanted` are started at once. */
  static async start(host: Host, units: Readonly<Record<string, string>>, wanted: readonly string[]): Promise<Systemd> {
    const folder = host.outside(UNITS);
    const wants = join(folder, "multi-user.target.wants");
    mkdirSync(wants, { recursive: true });
    for (const name of TARGETS) writeFileSync(join(folder, `${name}.target`), "[Unit]\nDefaultDependencies=no\n");
    for (const [name, text] of Object.entries(units)) writeFileSync(join(folder, name), text);
    for (const name of wanted) symlinkSync(`../${name}`, join(wants, name));
    const systemd = new Systemd(host, host.spawn(["sh", script, UNITS], { user: "root" }));
    for (let state = ""; state !== "running" && state !== "degraded"; ) {
      await Promise.race([new Promise(resolve => setTimeout(resolve, 100)), systemd.#failed()]);
      state = (await systemd.control("is-system-running")).stdout.trim();
    }
    return systemd;
  }

  /** Runs `systemctl`. */
  async control(...words: readonly string[]): Promise<Ended> {
    return await this.run(["systemctl", "--no-pager", ...words]);
  }

  /** Runs a program as root where systemd's services run: they see each other's processes. */
  async run(argv: readonly string[], options: Pick<RunOptions, "cwd" | "env"> = {}): Promise<Ended> {
    const first = await this.#host.run(["pgrep", "--full", "^/lib/systemd/systemd --system"], { user: "root" });
    const enter = ["nsenter", "--target", first.stdout.trim() || "0", "--mount", "--pid", "--cgroup", "--"];
    return await this.#host.run([...enter, "env", `--chdir=${options.cwd ?? "/"}`, ...argv], {
      ...options,
      user: "root",
    });
  }

  /** Ends systemd and all that it started, and removes its control groups. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.signal("SIGTERM");
    await this.#process.ended;
  }

  async #failed(): Promise<never> {
    const { stdout, stderr } = await this.#process.ended;
    throw new Error(`systemd ended: ${stdout}${stderr}`);
  }
}
