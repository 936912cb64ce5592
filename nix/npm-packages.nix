# The npm packages that drv-thru runs with, as one fixed output for each system. `npm run nix:hashes` computes the hashes from the lock file.
{
  lib,
  stdenvNoCC,
  cacert,
  nodejs_24,
}:
let
  inherit (stdenvNoCC.hostPlatform) system;
  known = (lib.importJSON ./npm-hashes.json).${system} or { };
in
stdenvNoCC.mkDerivation {
  pname = "drv-thru-npm-packages";
  version = (lib.importJSON ../package.json).version;

  src = import ./source.nix [
    "nix/npm-tree.ts"
    "package-lock.json"
    "package.json"
  ];

  nativeBuildInputs = [
    cacert
    nodejs_24
  ];
  impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [ "NPM_CONFIG_REGISTRY" ];

  dontConfigure = true;
  dontBuild = true;
  dontFixup = true;
  installPhase = ''
    export HOME=$TMPDIR
    node nix/npm-tree.ts ${system} $out
  '';

  outputHashMode = "recursive";
  # A system without a hash is one for which the lock file lacks a binary: npm-tree.ts says so and makes nothing.
  outputHash = known.hash or lib.fakeHash;
}
