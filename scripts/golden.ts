/**
 * Makes the golden vectors of `test/golden/nix/` with the Nix of this machine, in a store of its own that is mounted over /nix for its processes alone.
 * Run as root on x86_64-linux where /nix exists. Nix 2.8 or newer; running it again must change nothing.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeTree } from "../test/nix/tree.ts";

const GOLDEN = join(import.meta.dirname, "../test/golden/nix");
const SETTINGS = [
  "system",
  "extra-platforms",
  "system-features",
  "trusted-public-keys",
  "trusted-users",
  "allowed-users",
  "substituters",
  "trusted-substituters",
  "require-sigs",
];
const CONFIGURATION = `experimental-features = nix-command flakes ca-derivations
substituters =
build-users-group =
sandbox = false
extra-platforms = i686-linux
system-features = benchmark big-parallel kvm nixos-test
trusted-users = root @wheel
`;

const work = mkdtempSync(join(tmpdir(), "golden-"));
try {
  await main();
} finally {
  execFileSync("chmod", ["-R", "u+w", work]);
  rmSync(work, { recursive: true });
}

async function main(): Promise<void> {
  for (const folder of ["nix/store", "nix/var/nix", "etc", "home"]) mkdirSync(join(work, folder), { recursive: true });
  writeFileSync(join(work, "etc/nix.conf"), CONFIGURATION);
  await makeTree(Buffer.from(join(work, "tree")));
  writeFileSync(join(work, "file"), "a file\n");
  for (const folder of ["", "nar", "narinfo", "drv"]) mkdirSync(join(GOLDEN, folder), { recursive: true });

  const derivations = instantiate();
  writeDerivations(derivations);
  const paths = makePaths(derivations);
  writePaths(paths);
  writeNarInfos(paths);
  writeSettings();
}

/** The derivations by attribute. */
function instantiate(): Map<string, string> {
  const names =
    "plain several uses-some escapes structured fixed-flat fixed-recursive floating-self floating-flat deferred";
  return new Map(names.split(" ").map(name => [name, nix("nix-instantiate", ...expression("-A", name)).trim()]));
}

function writeDerivations(derivations: Map<string, string>): void {
  const shown: Record<string, unknown> = {};
  for (const [name, path] of derivations) {
    writeFileSync(join(GOLDEN, "drv", `${name}.drv`), inStore(path));
    const json: Record<string, unknown> = JSON.parse(nix("nix", "show-derivation", path));
    shown[name] = { path, ...(json[path] as object) };
  }
  writeJson("drv/shown.json", shown);
}

/** Store paths of every kind by name. */
function makePaths(derivations: Map<string, string>): Map<string, string> {
  const tree = join(work, "tree");
  const file = join(work, "file");
  const paths = new Map<string, string>();
  const put = (name: string, ...command: string[]) => paths.set(name, nix(...command).trim());
  for (const algorithm of ["md5", "sha1", "sha256", "sha512"]) {
    put(`flat-${algorithm}`, "nix-store", "--add-fixed", algorithm, file);
    put(`recursive-${algorithm}`, "nix-store", "--add-fixed", "--recursive", algorithm, tree);
  }
  for (const name of ["text", "text-refs"]) put(name, "nix", "eval", "--raw", "--impure", "-f", ...expression(name));
  for (const name of ["plain", "several", "fixed-flat", "floating-self", "floating-flat"]) {
    const [first = "", ...others] = nix("nix-store", "--realise", derivations.get(name) ?? "")
      .trim()
      .split("\n");
    for (const [i, path] of [first, ...others].entries()) paths.set(i === 0 ? name : `${name}-${i}`, path);
  }
  paths.set("derivation", derivations.get("several") ?? "");
  return paths;
}

function writePaths(paths: Map<string, string>): void {
  const infos: Record<string, object> = {};
  for (const [name, path] of paths) {
    const [info] = JSON.parse(nix("nix", "path-info", "--json", ...itself(path)));
    const { narHash, narSize, references, ca, deriver } = info;
    infos[name] = { path, narHash, narSize, references, ca, deriver };
    writeFileSync(join(GOLDEN, "nar", `${name}.nar`), nixBytes("nix-store", "--dump", path));
  }
  writeJson("paths.json", infos);
}

function writeNarInfos(paths: Map<string, string>): void {
  const secret = join(GOLDEN, "signing-key.secret");
  const open = join(GOLDEN, "signing-key.public");
  if (!existsSync(secret)) nix("nix-store", "--generate-binary-cache-key", "golden-1", secret, open);
  const cache = join(work, "cache");
  const to = ["--to", `file://${cache}?compression=none&secret-key=${secret}`];
  for (const path of paths.values()) nix("nix", "copy", ...to, ...itself(path));
  for (const [name, path] of paths) {
    const narinfo = readFileSync(join(cache, `${path.slice("/nix/store/".length).slice(0, 32)}.narinfo`));
    writeFileSync(join(GOLDEN, "narinfo", `${name}.narinfo`), narinfo);
  }
}

function writeSettings(): void {
  const all: Record<string, Record<string, unknown>> = JSON.parse(nix("nix", "show-config", "--json"));
  // Without the default values, which depend on the machine, and the long descriptions.
  const kept = SETTINGS.map(name => [name, { aliases: all[name]?.["aliases"], value: all[name]?.["value"] }]);
  writeJson("settings.json", Object.fromEntries(kept));
}

function expression(...attribute: string[]): string[] {
  return [join(import.meta.dirname, "golden.nix"), ...attribute, "--arg", "tree", join(work, "tree")];
}

/** Arguments that name a path and, for a derivation, not its outputs. */
function itself(path: string): string[] {
  return path.endsWith(".drv") ? ["--derivation", path] : [path];
}

/** A file of the private store. */
function inStore(path: string): Buffer {
  return readFileSync(join(work, path));
}

function writeJson(name: string, value: unknown): void {
  writeFileSync(join(GOLDEN, name), `${JSON.stringify(value, null, 2)}\n`);
}

function nix(...command: string[]): string {
  return nixBytes(...command).toString();
}

/** Runs a command of Nix with the private store over /nix, in a clean environment. */
function nixBytes(...command: string[]): Buffer {
  const inside = 'mount --bind "$1" /nix && shift && exec "$@"';
  const args = ["--mount", "--propagation", "private", "sh", "-c", inside, "sh", join(work, "nix"), ...command];
  const env = { PATH: process.env["PATH"] ?? "", HOME: join(work, "home"), NIX_CONF_DIR: join(work, "etc") };
  return execFileSync("unshare", args, { env, stdio: ["ignore", "pipe", "inherit"], maxBuffer: 64 << 20 });
}
