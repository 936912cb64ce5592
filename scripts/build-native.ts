// Builds the native Iroh addon: `npm run build:native`. Needs cargo and a C compiler; everybody else uses @number0/iroh.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";

/** What Iroh's crate asks for. */
const oldest = [1, 91] as const;
const folder = join(import.meta.dirname, "../native");
const made = join(folder, "iroh.node");
const target = resolve(process.env["CARGO_TARGET_DIR"] ?? join(folder, "target"));
// Where rustup puts cargo: not in the PATH of every service.
const PATH = `${process.env["PATH"]}${delimiter}${join(homedir(), ".cargo/bin")}`;
const env = { ...process.env, PATH };

function fail(what: string, fix: string): never {
  console.error(`error: ${what}\n\n  ${fix}`);
  process.exit(1);
}

/** Version of a program, as its first two numbers, or undefined where there is none. */
function versionOf(command: string): [number, number] | undefined {
  const { status, stdout } = spawnSync(command, ["--version"], { env, encoding: "utf8" });
  const match = /(\d+)\.(\d+)/.exec(stdout ?? "");
  return status === 0 && match !== null ? [Number(match[1]), Number(match[2])] : undefined;
}

const fix = `install Rust ${oldest.join(".")} or newer (https://rustup.rs); without the addon drv-thru uses @number0/iroh`;
const cargo = versionOf("cargo");
if (cargo === undefined) fail("cargo is missing", fix);
if (cargo[0] < oldest[0] || (cargo[0] === oldest[0] && cargo[1] < oldest[1])) {
  fail(`cargo ${cargo.join(".")} is too old`, fix);
}
if (spawnSync("cc", ["--version"], { env }).status !== 0) {
  fail("a C compiler (cc) is missing", "install one (Debian: apt-get install gcc libc6-dev)");
}

const { status } = spawnSync("cargo", ["build", "--locked", "--release", "--target-dir", target], {
  cwd: folder,
  env,
  stdio: "inherit",
});
if (status !== 0) fail("the addon does not build", "see what cargo says above");

const names = ["libdrv_thru_iroh.so", "libdrv_thru_iroh.dylib"].map(name => join(target, "release", name));
const library = names.find(name => existsSync(name));
if (library === undefined) fail(`cargo left no library in ${target}`, "rm -r native/target && npm run build:native");
// A new file, not new bytes in the old one: a process may be running from that.
copyFileSync(library, `${made}.new`);
renameSync(`${made}.new`, made);
console.error(`built ${made}: drv-thru uses it from now on (DRV_THRU_IROH=number0 does not)`);
