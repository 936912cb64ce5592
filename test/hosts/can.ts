import { spawnSync } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where the harness finds the system's programs, also those for administrators, which an ordinary user's PATH lacks. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Whether hosts have users of their own (root can make those), or everything in them is one user. */
export const ownUids = process.getuid?.() === 0;

/** Options for `unshare` that an ordinary user needs: a user namespace in which they stay who they are, and may mount. */
export const asWho = ownUids ? [] : ["--user", "--map-current-user", "--keep-caps"];

/** Where a program is, if it is anywhere in PATH. */
export function findProgram(name: string): string | undefined {
  return systemPath
    .split(delimiter)
    .map(folder => join(folder, name))
    .find(file => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Why two Nix hosts cannot be made on this machine, in words for a skipped test, or `undefined` if they can. */
export function whyNoHosts(): string | undefined {
  if (process.platform !== "linux") return `needs Linux namespaces, this is ${process.platform}`;
  for (const name of ["nix", "nix-daemon", "unshare", "nsenter", "setpriv", "pivot_root"]) {
    const file = findProgram(name);
    if (!file) return `needs the program ${name} in ${systemPath}`;
    if (realpathSync(file).startsWith("/nix/"))
      return `needs a ${name} outside /nix, which the hosts replace by their own`;
  }
  const tried = [
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "sh",
    "-ec",
    "mount --make-rprivate /; mount -t proc proc /proc",
  ];
  const { status, stderr } = spawnSync("unshare", [...asWho, ...tried], {
    env: { PATH: systemPath },
    encoding: "utf8",
  });
  return status === 0 ? undefined : `needs root or user namespaces: ${stderr.trim()}`;
}

/** Whether Debian's static busybox is here, the tool of sandboxed builds. */
export function busybox(): string | undefined {
  const file = findProgram("busybox");
  if (!file) return undefined;
  const { stdout } = spawnSync("ldd", [file], { env: { PATH: systemPath, LC_ALL: "C" }, encoding: "utf8" });
  return stdout?.includes("=>") ? undefined : file;
}

/** Why this machine's own Nix cannot be asked, in words for a skipped test, or `undefined` if it answers. */
export function whyNoNix(): string | undefined {
  const { status } = spawnSync("nix", ["--extra-experimental-features", "nix-command", "ping-store"]);
  return status === 0 ? undefined : "there is no Nix here";
}
