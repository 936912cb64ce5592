# A stand-in for the flake of nixpkgs: its real library, and of its packages only the names that the flake uses. A derivation is a real one, but of nothing.
{ libFolder }:
let
  lib = import libFolder;

  packagesFor =
    system:
    let
      hostPlatform = lib.systems.elaborate system;
      mkDerivation =
        attrs:
        let
          name = attrs.name or "${attrs.pname}-${attrs.version}";
          made = derivation (
            removeAttrs attrs [
              "meta"
              "passthru"
            ]
            // {
              inherit name system;
              builder = "/bin/sh";
            }
          );
        in
        made // (attrs.passthru or { }) // { inherit attrs name; } // { meta = attrs.meta or { }; };
      named = name: mkDerivation { inherit name; } // { meta.mainProgram = name; };
      packages =
        lib.genAttrs [
          "autoPatchelfHook"
          "cacert"
          "esbuild"
          "makeWrapper"
          "nix"
          "nix-output-monitor"
          "nixfmt-tree"
        ] named
        // {
          inherit lib;
          nodejs_24 = named "node";
          # A derivation has no sets among its attributes; the real one makes sources of this one.
          rustPlatform.buildRustPackage =
            attrs: mkDerivation (removeAttrs attrs [ "cargoLock" ]) // { inherit (attrs) cargoLock; };
          stdenvNoCC = { inherit hostPlatform mkDerivation; };
          stdenv = {
            inherit hostPlatform mkDerivation;
            cc.cc.lib = named "gcc-lib";
          };
          mkShell = attrs: mkDerivation ({ name = "shell"; } // attrs);
          testers.runNixOSTest = test: mkDerivation { inherit (test) name; } // { inherit test; };
          callPackage = lib.callPackageWith packages;
        };
    in
    packages;
in
{
  inherit lib;
  legacyPackages = lib.genAttrs [
    "x86_64-linux"
    "aarch64-linux"
    "x86_64-darwin"
    "aarch64-darwin"
  ] packagesFor;
}
