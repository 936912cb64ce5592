import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { copyPackages, type Lock, packagesFor, SYSTEMS } from "../../nix/npm-tree.ts";
import { whyNoAddon } from "../iroh/bindings.ts";
import { evaluate, libFolder, whyNoEvaluation } from "./nix.ts";

const skip = whyNoEvaluation();
const root = join(import.meta.dirname, "../..");
const read = (name: string) => readFileSync(join(root, name), "utf8");
const { version } = JSON.parse(read("package.json")) as { version: string };

/** A value made of the flake's outputs, `out`, with a stand-in for nixpkgs. */
function ofFlake(expression: string, self = '{ shortRev = "abc1234"; }'): unknown {
  return evaluate(`
    let
      nixpkgs = import ${join(import.meta.dirname, "nixpkgs.nix")} { libFolder = ${libFolder}; };
      out = (import ${join(root, "flake.nix")}).outputs { self = out // ${self}; inherit nixpkgs; };
      inherit (nixpkgs) lib legacyPackages;
      package = out.packages.x86_64-linux.default;
    in ${expression}`);
}

test("every system has the package and the app, under both names", { skip }, () => {
  const both = ["default", "drv-thru"];
  const expected = Object.fromEntries(SYSTEMS.toSorted().map(system => [system, both]));
  assert.deepEqual(ofFlake("lib.mapAttrs (_: lib.attrNames) out.packages"), expected);
  assert.deepEqual(ofFlake("lib.mapAttrs (_: lib.attrNames) out.apps"), expected);
  const same = "lib.all (one: one.default.drvPath == one.drv-thru.drvPath) (lib.attrValues out.packages)";
  assert.equal(ofFlake(same), true);
});

test("somebody who runs the flake runs the package's command", { skip }, () => {
  const { program, type, path } = ofFlake(
    "{ inherit (out.apps.x86_64-linux.default) program type; path = package.outPath; }",
  ) as Record<string, string>;
  assert.deepEqual([type, program], ["app", `${path}/bin/drv-thru`]);
});

test("there are checks, a development shell and a formatter for every system", { skip }, () => {
  const names = ofFlake(
    "lib.mapAttrs (_: lib.mapAttrs (_: lib.attrNames)) { inherit (out) checks devShells; }",
  ) as Record<string, Record<string, string[]>>;
  for (const system of SYSTEMS) {
    const linux = system.endsWith("linux") ? ["quick-start"] : [];
    assert.deepEqual(names["checks"]?.[system], ["package-default", ...linux]);
    assert.deepEqual(names["devShells"]?.[system], ["default"]);
    assert.equal(ofFlake(`out.formatter.${system}.name`), "nixfmt-tree");
  }
  assert.equal(ofFlake("out.checks.x86_64-linux.package-default.drvPath == package.drvPath"), true);
});

test("the overlay adds the package", { skip }, () => {
  const added = "(out.overlays.default (legacyPackages.x86_64-linux // { }) { }).drv-thru.drvPath";
  assert.equal(ofFlake(`${added} == package.drvPath`), true);
});

test("the module is there under both names, which may be imported together, and takes the flake's own package", {
  skip,
}, () => {
  const config = `{
    imports = [ out.nixosModules.default out.nixosModules.drv-thru ];
    _module.args.pkgs = lib.mkForce (legacyPackages.aarch64-darwin // { runtimeShell = "/bin/sh"; coreutils = "/x"; });
    services.drv-thru.client.enable = true;
  }`;
  const folder = join(import.meta.dirname, "evaluate.nix");
  const packages = `(import ${folder} { libFolder = ${libFolder}; config = ${config}; }).systemPackages`;
  assert.deepEqual(ofFlake(packages), [ofFlake("out.packages.aarch64-darwin.default.outPath")]);
});

test("the version is package.json's with the commit", { skip }, () => {
  assert.equal(ofFlake("package.version"), `${version}+abc1234`);
  assert.equal(ofFlake("package.version", '{ dirtyShortRev = "abc1234-dirty"; }'), `${version}+abc1234-dirty`);
  assert.equal(ofFlake("package.version", "{ }"), `${version}+unknown`);
});

test("the package names its program, licences and systems", { skip }, () => {
  const meta = ofFlake(
    "{ inherit (package.meta) mainProgram platforms; licences = map (one: one.spdxId) package.meta.license; }",
  );
  assert.deepEqual(meta, { mainProgram: "drv-thru", platforms: SYSTEMS, licences: ["MIT", "Apache-2.0"] });
});

test("the package has the addon, built from the committed lock file, and its program is told where it is", {
  skip,
}, () => {
  for (const system of SYSTEMS) {
    const { phase, path, lock, source, made } = ofFlake(`
      let inherit (out.packages.${system}.default) attrs addon; in {
        phase = attrs.installPhase; path = addon.outPath; lock = toString addon.cargoLock.lockFile;
        source = toString addon.attrs.src; made = addon.attrs.postInstall;
      }`) as Record<string, string>;
    assert.ok(phase?.includes(`--set-default DRV_THRU_IROH_ADDON ${path}/lib/iroh.node\n`), phase);
    assert.equal(lock, join(root, "native/Cargo.lock"));
    assert.match(source ?? "", /-drv-thru-source$/);
    assert.match(made ?? "", system.endsWith("darwin") ? /libdrv_thru_iroh\.dylib / : /libdrv_thru_iroh\.so /);
  }
});

test("nom and Nix come after whatever the user has in PATH", { skip }, () => {
  const phase = String(ofFlake("package.attrs.installPhase"));
  assert.match(phase, /--suffix PATH : \/nix\/store\/\S+-nix\/bin:\/nix\/store\/\S+-nix-output-monitor\/bin \\\n/);
  assert.doesNotMatch(phase, /--prefix|--set PATH/);
});

test("the npm packages are one fixed output for each system, whose content was settled beforehand", { skip }, () => {
  const recorded = JSON.parse(read("nix/npm-hashes.json")) as Record<string, { hash?: string }>;
  for (const system of SYSTEMS) {
    const { mode, hash, phase } = ofFlake(`
      let inherit (out.packages.${system}.default.npmPackages) attrs; in {
        mode = attrs.outputHashMode; hash = attrs.outputHash; phase = attrs.installPhase;
      }`) as Record<string, string>;
    assert.equal(mode, "recursive");
    assert.equal(hash, recorded[system]?.hash ?? `sha256-${"A".repeat(43)}=`);
    assert.match(phase ?? "", new RegExp(`node nix/npm-tree.ts ${system} \\$out`));
  }
});

test("the package's own phases make a program that runs", { skip }, t => {
  const arch = { x64: "x86_64", arm64: "aarch64" }[process.arch as string];
  const system = SYSTEMS.find(one => one === `${arch}-${process.platform}`);
  if (system === undefined) return t.skip(`there is no package for ${arch}-${process.platform}`);
  const folder = temporary(t);
  const packages = join(folder, "packages");
  copyPackages(packagesFor(JSON.parse(read("package-lock.json")) as Lock, system).folders, root, packages);
  const { phases, npm, node, addon } = ofFlake(`
    let inherit (out.packages.${system}.default) attrs npmPackages addon; in {
      phases = [ attrs.buildPhase attrs.installPhase attrs.installCheckPhase ];
      addon = addon.outPath;
      npm = npmPackages.outPath;
      node = lib.getExe legacyPackages.${system}.nodejs_24;
    }`) as { phases: string[]; npm: string; node: string; addon: string };
  const source = join(folder, "source");
  for (const name of SOURCES) cpSync(join(root, name), join(source, name), { recursive: true });
  // Where the addon was built for this checkout it stands in for the one that Nix would have built.
  const phase =
    whyNoAddon === undefined ? phases.join("\n") : phases.join("\n").replace(/^.*DRV_THRU_IROH=native.*$/m, "");
  const built = join(folder, "addon");
  mkdirSync(join(built, "lib"), { recursive: true });
  if (whyNoAddon === undefined) cpSync(join(root, "native/iroh.node"), join(built, "lib/iroh.node"));
  const script = phase.replaceAll(npm, packages).replaceAll(node, process.execPath).replaceAll(addon, built);
  const out = join(folder, "out");
  const env = { PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}`, out, TMPDIR: folder, HOME: folder };
  execFileSync("bash", ["--norc", "-euc", `${STDENV}\n${script}`], { cwd: source, env, stdio: "pipe" });
  const told = execFileSync(join(out, "bin/drv-thru"), ["--version"], { env: { PATH: "/usr/bin:/bin" } });
  assert.equal(String(told).split("\n", 1)[0], `drv-thru ${version}+abc1234`);
  assert.deepEqual(readdirSync(out).sort(), ["bin", "lib"]);
});

/** What the package is made of: its `src` lists the same. */
const SOURCES = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "gen", "package.json", "scripts/bundle.ts", "src"];

/** What the addon is made of. */
const ADDON_SOURCES = ["native/Cargo.lock", "native/Cargo.toml", "native/build.rs", "native/src"];

/** What nixpkgs gives to a build, as far as the phases need it. */
const STDENV = `
  runHook() { :; }
  makeWrapper() {
    printf '#!/bin/sh\\nPATH=$PATH:%s\\nexport %s=%s\\nexec %s %s "$@"\\n' "$8" "\${10}" "\${11}" "$1" "$4" >"$2"
    chmod +x "$2"
  }`;

test("the package is made of its sources alone", { skip }, () => {
  const named = /src = import \.\/source\.nix \[([^\]]*)\]/.exec(read("nix/package.nix"))?.[1] ?? "";
  assert.deepEqual(
    [...named.matchAll(/"([^"]+)"/g)].map(([, name]) => name),
    SOURCES,
  );
  const taken = evaluate(`
    let path = import ${join(root, "nix/source.nix")} [ "gen" "scripts/bundle.ts" ]; in toString path`);
  assert.match(String(taken), /^\/nix\/store\/[a-z0-9]{32}-drv-thru-source$/);
});

test("nix flake check evaluates every output on every system, without a network", { skip }, t => {
  const folder = temporary(t);
  const flake = join(folder, "flake");
  for (const name of ["flake.nix", "nix", "nixos", "package-lock.json", ...ADDON_SOURCES, ...SOURCES]) {
    cpSync(join(root, name), join(flake, name), { recursive: true });
  }
  const nixpkgs = join(folder, "nixpkgs");
  mkdirSync(nixpkgs);
  cpSync(libFolder ?? "", join(nixpkgs, "lib"), { recursive: true });
  cpSync(join(import.meta.dirname, "nixpkgs.nix"), join(nixpkgs, "nixpkgs.nix"));
  writeFileSync(join(nixpkgs, "flake.nix"), "{ outputs = _: import ./nixpkgs.nix { libFolder = ./lib; }; }\n");
  const features = ["--extra-experimental-features", "nix-command", "--extra-experimental-features", "flakes"];
  const offline = ["--store", join(folder, "store"), "--option", "flake-registry", "/dev/null"];
  const inputs = ["--override-input", "nixpkgs", `path:${nixpkgs}`, "--no-write-lock-file"];
  const nix = (words: readonly string[]) =>
    execFileSync("nix", [...features, ...offline, ...words, ...inputs, `path:${flake}`], {
      env: { PATH: process.env["PATH"], HOME: folder, NIX_CONF_DIR: folder, NIX_STATE_DIR: join(folder, "state") },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  nix(["flake", "check", "--no-build"]);
  const shown = JSON.parse(nix(["flake", "show", "--json"])) as Record<string, object>;
  const kinds = ["apps", "checks", "devShells", "formatter", "nixosModules", "overlays", "packages"];
  assert.deepEqual(Object.keys(shown).sort(), kinds);
});

/** A folder that is gone after the test, whatever a store has made read-only in it. */
function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-flake-"));
  t.after(() => {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755);
    }
    rmSync(folder, { recursive: true });
  });
  return folder;
}
