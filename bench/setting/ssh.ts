import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../test/hosts/host.ts";
import { SSH_NAME } from "../peers/nix.ts";
import { must } from "./must.ts";

/** Debian's openssh-server with keys of its own, for root, as Nix's documentation sets it up. Both root and the user of the client may come. */
export async function startSsh(builder: Host, client: Host, address: string): Promise<void> {
  const makeKey = (name: string) =>
    `mkdir -p -m 700 /root/.ssh /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/${name}`;
  await must(client, ["sh", "-c", makeKey("id")], "root");
  await must(builder, ["sh", "-c", makeKey("host")], "root");
  const hostKey = readFileSync(builder.outside("/root/.ssh/host.pub"), "utf8").trim().split(" ").slice(0, 2).join(" ");
  writeFileSync(join(client.outside("/root/.ssh"), "known_hosts"), `${address} ${hostKey}\n`);
  writeFileSync(join(client.outside("/root/.ssh"), "config"), sshConfig(address));
  giveTo(client, client.user);
  allow(builder, readFileSync(client.outside("/root/.ssh/id.pub"), "utf8"), address);
  const sshd = builder.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"], { user: "root" });
  await sshd.until(/listening on/, "stderr");
}

function sshConfig(address: string): string {
  return `Host ${SSH_NAME}\n  HostName ${address}\n  User root\n  IdentityFile ~/.ssh/id\n`;
}

function giveTo(host: Host, user: string): void {
  const { uid, gid } = statSync(host.outside(`/home/${user}`));
  const folder = host.outside(`/home/${user}/.ssh`);
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, uid, gid);
  for (const name of ["id", "known_hosts", "config"]) {
    const file = join(folder, name);
    copyFileSync(join(host.outside("/root/.ssh"), name), file);
    chmodSync(file, 0o600);
    chownSync(file, uid, gid);
  }
}

function allow(builder: Host, key: string, address: string): void {
  mkdirSync(builder.outside("/etc/ssh"), { recursive: true });
  // Without a line here sshd takes root for locked.
  writeFileSync(builder.outside("/etc/shadow"), "root:*:19000:0:99999:7:::\n", { mode: 0o600 });
  writeFileSync(join(builder.outside("/root/.ssh"), "authorized_keys"), key);
  const lines = [`ListenAddress ${address}`, "HostKey /root/.ssh/host", "PermitRootLogin prohibit-password"];
  const more = ["AuthorizedKeysFile /root/.ssh/authorized_keys", "StrictModes no", "UsePAM no", ""];
  writeFileSync(builder.outside("/etc/ssh/sshd_config"), [...lines, ...more].join("\n"));
}
