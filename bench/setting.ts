import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../test/hosts/can.ts";
import { type Host, type HostProcess, makeHost } from "../test/hosts/host.ts";
import type { Asked } from "./arguments.ts";
import type { Contestant } from "./measure.ts";
import { profileOptions } from "./profile.ts";

/** Two hosts: a builder with `drv-thru serve` and an ssh daemon, and a client that can use either. */
export interface Setting {
  readonly builder: Host;
  readonly client: Host;
  readonly ticket: string;
  readonly serve: HostProcess;
  /** Who is measured: without a peer, drv-thru alone. */
  readonly contestants: readonly Contestant[];
  /** Options of Node for our program on one of the hosts. */
  nodeOptions(side: "client" | "builder"): readonly string[];
  stop(): Promise<void>;
}

/** The command as it is published: compiled. */
export const COMMAND = ["/drv-thru/node_modules/.bin/node", "/drv-thru/dist/bin.js"] as const;

const SSH_PORT = 20_000 + (process.pid % 20_000);

/** Makes the two hosts and starts what they need. Whoever makes them stops them. */
export async function makeSetting({ peer, profile, nodeOptions }: Asked): Promise<Setting> {
  const builder = await makeHost("builder");
  const client = await makeHost("client");
  const stop = async () => {
    await Promise.all([builder.stop(), client.stop()]);
  };
  const hosts = { builder, client };
  const options = (side: keyof typeof hosts) => [...nodeOptions, ...(profile ? profileOptions(hosts[side]) : [])];
  try {
    const serve = builder.spawn([...COMMAND, "serve", "--data-dir", "/home/builder/data", "--relay", "none"], {
      env: { NODE_OPTIONS: options("builder").join(" ") },
    });
    const key = (await serve.until(/drv-thru\S*:[A-Za-z0-9+/]{43}=/))[0];
    const made = await must(
      builder,
      [...COMMAND, "ticket", "create", "--unlimited", "--data-dir", "/home/builder/data"].concat([
        "--max-upload-bytes",
        "100G",
      ]),
    );
    const ssh = peer && findProgram("sshd") !== undefined && builder.ownUids;
    if (ssh) await startSsh(builder, client);
    await client.configure({
      "extra-trusted-public-keys": key,
      ...(ssh ? { builders: "ssh-ng://bench-builder x86_64-linux /root/.ssh/id 8 1" } : {}),
    });
    const contestants: Contestant[] = ssh ? ["local", "drv-thru", "ssh-ng"] : ["drv-thru"];
    return { builder, client, ticket: made.trim(), serve, contestants, nodeOptions: options, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs a program that has to work, and gives its stdout. */
export async function must(host: Host, argv: readonly string[], user?: string): Promise<string> {
  const ended = await host.run(argv, user === undefined ? {} : { user });
  if (ended.status !== 0) throw new Error(`${argv.join(" ")} failed:\n${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

/** Debian's openssh-server with a key and a port of its own, for root, as Nix's documentation sets it up. */
async function startSsh(builder: Host, client: Host): Promise<void> {
  await must(
    client,
    ["sh", "-c", "mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id"],
    "root",
  );
  await must(
    builder,
    ["sh", "-c", "mkdir -p -m 700 /root/.ssh /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/host"],
    "root",
  );
  const hostKey = readFileSync(builder.outside("/root/.ssh/host.pub"), "utf8").trim().split(" ").slice(0, 2).join(" ");
  mkdirSync(builder.outside("/etc/ssh"), { recursive: true });
  // Without a line here sshd takes root for locked.
  writeFileSync(builder.outside("/etc/shadow"), "root:*:19000:0:99999:7:::\n", { mode: 0o600 });
  writeFileSync(
    join(builder.outside("/root/.ssh"), "authorized_keys"),
    readFileSync(client.outside("/root/.ssh/id.pub")),
  );
  writeFileSync(
    builder.outside("/etc/ssh/sshd_config"),
    ["ListenAddress 127.0.0.1", `Port ${SSH_PORT}`, "HostKey /root/.ssh/host", "PermitRootLogin prohibit-password"]
      .concat(["AuthorizedKeysFile /root/.ssh/authorized_keys", "StrictModes no", "UsePAM no", ""])
      .join("\n"),
  );
  writeFileSync(join(client.outside("/root/.ssh"), "known_hosts"), `[127.0.0.1]:${SSH_PORT} ${hostKey}\n`);
  writeFileSync(
    join(client.outside("/root/.ssh"), "config"),
    `Host bench-builder\n  HostName 127.0.0.1\n  Port ${SSH_PORT}\n  User root\n  HostKeyAlias [127.0.0.1]:${SSH_PORT}\n  IdentityFile /root/.ssh/id\n`,
  );
  const sshd = builder.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"], { user: "root" });
  await sshd.until(/listening on/, "stderr");
}
