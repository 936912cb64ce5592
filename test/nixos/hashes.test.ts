import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { copyPackages, type Lock, packagesFor, SYSTEMS, type System } from "../../nix/npm-tree.ts";
import { findProgram } from "../hosts/can.ts";
import { serveRegistry } from "../package/registry.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
const recorded = JSON.parse(readFileSync(join(root, "nix/npm-hashes.json"), "utf8")) as Record<
  string,
  { hash?: string; lacking?: string }
>;

const arch = { x64: "x86_64", arm64: "aarch64" }[process.arch as string];
const here = SYSTEMS.find(system => system === `${arch}-${process.platform}`);
const noNix = findProgram("nix") === undefined ? "needs the program nix" : undefined;
const noHash = here && recorded[here]?.hash ? undefined : `there is no hash for ${arch}-${process.platform}`;
const skip = noNix ?? noHash;

function versionOf(name: string): string {
  return lock.packages[`node_modules/${name}`]?.version ?? "";
}

/** A folder that is gone after the test. */
function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-hashes-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What Nix calls the content of a folder. */
function hashOf(folder: string): string {
  const words = ["--extra-experimental-features", "nix-command", "hash", "path", folder];
  return execFileSync("nix", words, { encoding: "utf8" }).trim();
}

test("the flake's hash of the npm packages is that of what this checkout runs with", { skip }, t => {
  const tree = join(temporary(t), "tree");
  copyPackages(packagesFor(lock, here as System).folders, root, tree);
  assert.equal(hashOf(tree), recorded[here as System]?.hash, "package-lock.json has changed: npm run nix:hashes");
});

test("each system has a hash, or the packages are named that the lock file lacks for it", () => {
  assert.deepEqual(Object.keys(recorded).sort(), [...SYSTEMS].sort());
  for (const system of SYSTEMS) {
    const lacking = packagesFor(lock, system).lacking.join(", ");
    const { hash, lacking: told } = recorded[system] ?? {};
    assert.equal(told, lacking || undefined, `${system}: npm run nix:hashes`);
    assert.match(hash ?? (lacking && "sha256-"), /^sha256-/, system);
  }
});

test("what npm fetches is what is installed here, to the last bit", { skip }, async t => {
  const folder = temporary(t);
  const installed = join(folder, "installed");
  copyPackages(packagesFor(small, here as System).folders, root, installed);
  assert.equal(hashOf(await fetchFrom(folder, small)), hashOf(installed));
});

test("a registry that gives other bytes than the lock file names is refused", { skip }, async t => {
  // The registry of the test packs what is installed anew: other bytes than those of the archive that was published.
  const split2 = "node_modules/split2";
  const packages = { ...small.packages, [split2]: lock.packages[split2] ?? {} };
  await assert.rejects(fetchFrom(temporary(t), { packages }), /EINTEGRITY|integrity/);
});

test("a system for which a package has no binary is refused, with the package's name", { skip }, async t => {
  const others = Object.entries(lock.packages).filter(([folder]) => !folder.startsWith("node_modules/@lmdb/"));
  const without = fetchFrom(temporary(t), { packages: Object.fromEntries(others) });
  await assert.rejects(without, /has no binary for \S+ of lmdb; with a/);
});

test("@number0/iroh may have no binary for a system: the flake brings an addon of its own", () => {
  for (const system of SYSTEMS) assert.deepEqual(packagesFor(lock, system).lacking, [], system);
  assert.ok(!packagesFor(lock, "x86_64-darwin").folders.some(folder => folder.includes("iroh-")));
  assert.ok(packagesFor(lock, "x86_64-linux").folders.includes("node_modules/@number0/iroh-linux-x64-gnu"));
});

/** The lock file of somebody who needs but a few small packages, and takes them with whatever content. */
const small: Lock = {
  packages: {
    ...Object.fromEntries(
      Object.entries(lock.packages).map(([folder, entry]) => [folder, { ...entry, integrity: undefined }]),
    ),
    "": { dependencies: { pino: versionOf("pino"), "@noble/curves": versionOf("@noble/curves") } },
  },
};

/** Runs what the flake runs, with a registry on loopback. Gives the tree. Throws what it says. */
async function fetchFrom(folder: string, with_: Lock): Promise<string> {
  await using registry = await serveRegistry(root);
  cpSync(join(root, "nix/npm-tree.ts"), join(folder, "nix/npm-tree.ts"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "small", ...with_.packages[""] }));
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(with_));
  const env = {
    ...process.env,
    HOME: folder,
    npm_config_registry: registry.url,
    npm_config_cache: join(folder, "cache"),
    npm_config_fetch_retries: "0",
  };
  await run(process.execPath, ["nix/npm-tree.ts", here as System, "tree"], { cwd: folder, env });
  return join(folder, "tree");
}
