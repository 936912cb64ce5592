import { chmodSync, chownSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where every host sees this checkout, read-only: `keeper.sh` binds it there. */
export const checkoutInside = "/drv-thru";

/** An ordinary user of a host. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Groups beside those that each user has, and who is in them. */
export type Groups = Readonly<Record<string, readonly string[]>>;

/** Settings of `nix.conf`. */
export type NixConf = Readonly<Record<string, string>>;

const buildUsers = [1, 2, 3, 4, 5, 6, 7, 8].map(n => ({ name: `nixbld${n}`, uid: 30000 + n, gid: 30000 }));
const fromSystem = [
  "alternatives",
  "ca-certificates",
  "hosts",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "localtime",
];
const alsoFromSystem = ["nsswitch.conf", "protocols", "resolv.conf", "services", "ssl"];

/** What the files of a host depend on. */
export interface FilesOptions {
  readonly ownUids: boolean;
  readonly groups: Groups;
  /** The folder of the system whose programs it has. */
  readonly system: string;
}

/** Makes the files of a host in its folder: `/etc` with its own users, homes, and an empty Nix. */
export function makeFiles(folder: string, users: readonly User[], { ownUids, groups, system }: FilesOptions): void {
  for (const name of ["etc/nix", "home", "nix/store", "nix/var/nix", "root", "tmp", "var/lib", "var/tmp", "var/log"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  for (const shared of ["tmp", "var/tmp"]) chmodSync(join(folder, shared), 0o1777);
  chmodSync(join(folder, "root"), 0o700);
  for (const name of [...fromSystem, ...alsoFromSystem]) copyFromSystem(system, folder, name);
  writeAccounts(folder, ownUids ? [...users, ...buildUsers] : users, groups);
  for (const { name, uid, gid } of users) {
    const home = join(folder, "home", name);
    mkdirSync(home, { mode: 0o700 });
    if (ownUids) chownSync(home, uid, gid);
  }
}

function copyFromSystem(system: string, folder: string, name: string): void {
  const to = join(folder, "etc", name);
  try {
    cpSync(join(system, "etc", name), to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: from => !from.includes("/private"),
    });
  } catch (error) {
    // Machines differ in what they have, and an ordinary user may not read all of it.
    if (!isRefusal(error)) throw error;
    rmSync(to, { recursive: true, force: true });
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "EACCES");
}

function writeAccounts(folder: string, users: readonly User[], more: Groups): void {
  const root = users.some(({ uid }) => uid === 0) ? [] : ["root:x:0:0:root:/root:/bin/sh"];
  const passwd = users.map(({ name, uid, gid }) => `${name}:x:${uid}:${gid}::/home/${name}:/bin/sh`);
  const groups = users.filter(({ gid }) => gid !== 30000).map(({ name, gid }) => `${name}:x:${gid}:`);
  const named = Object.entries(more).map(([name, members], n) => `${name}:x:${2000 + n}:${members.join(",")}`);
  const nixbld = `nixbld:x:30000:${buildUsers.map(({ name }) => name).join(",")}`;
  writeLines(folder, "passwd", [
    ...root,
    ...passwd,
    "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin",
    "nobody:x:65534:65534::/:/bin/false",
  ]);
  writeLines(folder, "group", ["root:x:0:", "tty:x:5:", ...groups, ...named, nixbld, "nogroup:x:65534:"]);
}

/** Writes a host's `/etc/nix/nix.conf`. */
export function writeNixConf(folder: string, settings: NixConf): void {
  writeLines(
    folder,
    "nix/nix.conf",
    Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
  );
}

function writeLines(folder: string, name: string, lines: readonly string[]): void {
  writeFileSync(join(folder, "etc", name), `${lines.join("\n")}\n`);
}
