// Makes the folder of npm packages that drv-thru runs with on one system, the same to the last bit wherever and whenever it is made: the packages of the
// lock file that are not for development, as npm unpacks them, without scripts run, links, times or modes. Nix fetches it as one fixed output.
// usage: node npm-tree.ts SYSTEM OUT     in the folder of package.json and package-lock.json; OUT must not exist. Needs npm and its registry.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** A package in a lock file. */
interface Locked {
  readonly version?: string;
  readonly os?: readonly string[] | string;
  readonly cpu?: readonly string[] | string;
  readonly libc?: readonly string[] | string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** The part of a lock file that matters here. */
export interface Lock {
  readonly packages: Readonly<Record<string, Locked>>;
}

/** What npm calls each system of ours. */
const PLATFORMS = {
  "x86_64-linux": { os: "linux", cpu: "x64", libc: "glibc" },
  "aarch64-linux": { os: "linux", cpu: "arm64", libc: "glibc" },
  "x86_64-darwin": { os: "darwin", cpu: "x64", libc: undefined },
  "aarch64-darwin": { os: "darwin", cpu: "arm64", libc: undefined },
} as const;

/** Packages whose binary for a system may be lacking: the flake builds its own addon in place of it. */
const DISPENSABLE: readonly string[] = ["@number0/iroh"];

/** A system as Nix calls it. */
export type System = keyof typeof PLATFORMS;

/** All that there are packages for. */
export const SYSTEMS = Object.keys(PLATFORMS) as readonly System[];

/** What runs on a system: the folders of the lock file, sorted, and the packages that cannot do without a binary for this system, which it lacks. */
export function packagesFor(lock: Lock, system: System): { folders: string[]; lacking: string[] } {
  const folders = new Set<string>();
  const lacking = new Set<string>();
  const visit = (from: string, optional: boolean) => {
    const found = lock.packages[from];
    if (found === undefined || folders.has(from)) return;
    if (from !== "") folders.add(from);
    for (const name of [...Object.keys(found.dependencies ?? {}), ...neededPeers(found)]) {
      const folder = resolveIn(lock, from, name);
      if (folder === undefined) throw new Error(`${from || "package.json"} needs ${name}, which the lock file lacks`);
      visit(folder, optional);
    }
    const extra = Object.keys(found.optionalDependencies ?? {});
    const fitting = extra.map(name => resolveIn(lock, from, name)).filter(folder => fits(lock, folder, system));
    if (!optional && fitting.length === 0 && extra.filter(isForOneSystem).length > 1)
      lacking.add(from.slice("node_modules/".length));
    for (const folder of fitting) if (folder !== undefined) visit(folder, true);
  };
  visit("", false);
  for (const name of DISPENSABLE) lacking.delete(name);
  return { folders: [...folders].sort(), lacking: [...lacking].sort() };
}

/** Peers that a package cannot do without. */
function neededPeers({ peerDependencies = {}, peerDependenciesMeta = {} }: Locked): string[] {
  return Object.keys(peerDependencies).filter(name => peerDependenciesMeta[name]?.optional !== true);
}

/** A package of binaries for one system, by its name: one that the lock file lacks has nothing else to tell it by. */
function isForOneSystem(name: string): boolean {
  return /-(linux|darwin|win32|android)-/.test(name);
}

/** The folder in which Node finds a package from another's folder. */
function resolveIn(lock: Lock, from: string, name: string): string | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    const folder = `${at === "" ? "" : `${at}/`}node_modules/${name}`;
    if (folder in lock.packages) return folder;
    if (at === "") return undefined;
  }
}

function fits(lock: Lock, folder: string | undefined, system: System): boolean {
  const found = folder === undefined ? undefined : lock.packages[folder];
  if (found === undefined) return false;
  const { os, cpu, libc } = PLATFORMS[system];
  const takes = (allowed: readonly string[] | string | undefined, mine: string | undefined) =>
    allowed === undefined || mine === undefined || [allowed].flat().includes(mine);
  return takes(found.os, os) && takes(found.cpu, cpu) && takes(found.libc, libc);
}

/** Copies packages out of the folder that holds a `node_modules`: their files alone, each with mode 0644. */
export function copyPackages(folders: readonly string[], from: string, out: string): void {
  for (const folder of folders) copyFiles(join(from, folder), join(out, folder.slice("node_modules/".length)));
}

function copyFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    // Packages inside of a package are listed by themselves.
    if (entry.isDirectory() && entry.name !== "node_modules") copyFiles(source, target);
    if (!entry.isFile()) continue;
    copyFileSync(source, target);
    chmodSync(target, 0o644);
  }
}

/** Has npm fetch the packages, checked by the lock file's hashes, and copies them to `out`. */
export function fetchPackages(root: string, lock: Lock, folders: readonly string[], out: string): void {
  const work = mkdtempSync(join(tmpdir(), "npm-tree-"));
  try {
    const { name, version, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const own = { name, version, dependencies };
    const kept = folders.map(folder => [folder, stripped(lock.packages[folder] ?? {}, folder, lock, folders)]);
    const packages = Object.fromEntries([["", own], ...kept]);
    writeFileSync(join(work, "package.json"), JSON.stringify(own));
    writeFileSync(join(work, "package-lock.json"), JSON.stringify({ name, version, lockfileVersion: 3, packages }));
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-bin-links", ...quiet], { cwd: work, stdio: ["ignore", 2, 2] });
    copyPackages(folders, work, out);
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** A package as npm is to see it: already chosen for a system, and with nothing else to wish for. */
function stripped(entry: Locked, folder: string, lock: Lock, folders: readonly string[]): Locked {
  const { os: _os, cpu: _cpu, libc: _libc, optionalDependencies = {}, peerDependencies: _peers, ...rest } = entry;
  const chosen = Object.entries(optionalDependencies).filter(([name]) => {
    const found = resolveIn(lock, folder, name);
    return found !== undefined && folders.includes(found);
  });
  return { ...rest, ...(chosen.length > 0 && { optionalDependencies: Object.fromEntries(chosen) }) };
}

/** The system that a word names. */
function systemNamed(word: string | undefined): System {
  const system = SYSTEMS.find(one => one === word);
  if (system === undefined) throw new Error(`${word} is none of ${SYSTEMS.join(", ")}`);
  return system;
}

if (import.meta.main) {
  const [word, out] = process.argv.slice(2);
  const system = systemNamed(word);
  if (out === undefined) throw new Error("usage: node npm-tree.ts SYSTEM OUT");
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  const { folders, lacking } = packagesFor(lock, system);
  if (lacking.length > 0) {
    const fix = "with a registry that has it: npm install --package-lock-only && npm run nix:hashes";
    throw new Error(`package-lock.json has no binary for ${system} of ${lacking.join(", ")}; ${fix}`);
  }
  mkdirSync(dirname(resolve(out)), { recursive: true });
  fetchPackages(".", lock, folders, resolve(out));
}
