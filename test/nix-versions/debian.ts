import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findProgram, ownUids, systemPath } from "../hosts/can.ts";

/** A Debian whose Nix is tried. */
export interface Release {
  readonly suite: "bookworm" | "trixie" | "sid";
  readonly name: string;
}

/** The releases, oldest Nix first. */
export const releases: readonly Release[] = [
  { suite: "bookworm", name: "Debian 12" },
  { suite: "trixie", name: "Debian 13" },
  { suite: "sid", name: "sid" },
];

/** Why no chroot can be made here, or `undefined` if that can be tried. */
export function whyNoChroot(): string | undefined {
  if (!ownUids) return "needs root, for debootstrap";
  for (const name of ["debootstrap", "dpkg-deb"]) {
    if (findProgram(name) === undefined) return `needs the program ${name}`;
  }
  return debianMirror() === undefined ? "needs a mirror of Debian in apt's sources" : undefined;
}

/** The folder with the programs of a release, `nix-bin` among them: made once with debootstrap, then kept. Or why it could not be made. */
export function systemOf({ suite }: Release, cache: string): { folder: string } | { why: string } {
  const folder = join(cache, suite);
  if (existsSync(folder)) return { folder };
  const why = whyNoChroot();
  if (why !== undefined) return { why };
  const making = `${folder}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  try {
    // Programs and their libraries are all that a host needs: nothing is configured, which would take minutes.
    const include = ["--foreign", "--variant=minbase", "--include=nix-bin"];
    run("debootstrap", ...include, suite, making, debianMirror() ?? "");
    run("sh", "-euc", UNPACK, "sh", making);
    // What is kept is whole: an interrupted try left another name.
    renameSync(making, folder);
    return { folder };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

/** Into links to folders too, such as `/lib`: there it is where it belongs. */
const UNPACK = `cd "$1/var/cache/apt/archives"
for package in *.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$1"; done
rm *.deb`;

function run(...[command = "", ...argv]: readonly string[]): void {
  const env = { ...process.env, PATH: systemPath };
  const { status, signal, stdout, stderr } = spawnSync(command, argv, { env, encoding: "utf8" });
  const said = `${stdout}${stderr}`.trim().split("\n").at(-1) ?? "";
  if (status !== 0) throw new Error(`${command} ended with ${status ?? signal}: ${said}`);
}

/** Debian's mirror as this machine's apt is configured: the first source with a release of Debian's own, which others name after it. */
function debianMirror(): string | undefined {
  const isDebian = ({ uri, suites, components }: Source) =>
    /\/debian\/?$/.test(uri) && suites.some(suite => SUITES.test(suite)) && components.includes("main");
  return aptSources().find(isDebian)?.uri;
}

const SUITES = /^(bookworm|trixie|forky|sid|stable|testing|unstable)$/;

interface Source {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

function aptSources(): Source[] {
  const read = (pattern: string) => globSync(pattern).map(file => readFileSync(file, "utf8"));
  const lists = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list"].flatMap(read).join("\n");
  const lines = [...lists.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm)];
  const ofLines = lines.map(([, uri = "", suite = "", components = ""]) => ({
    uri,
    suites: [suite],
    components: components.split(/\s+/),
  }));
  const stanzas = read("/etc/apt/sources.list.d/*.sources").flatMap(text => text.split(/\n\s*\n/));
  return [...ofLines, ...stanzas.flatMap(ofStanza)];
}

function ofStanza(stanza: string): Source[] {
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "im").exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
  return field("URIs").map(uri => ({ uri, suites: field("Suites"), components: field("Components") }));
}
