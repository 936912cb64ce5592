{
  description = "Nix builds on someone else's machine, by ticket";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      eachSystem = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});

      # package.json's version, and the commit that this is made of.
      version = "${(lib.importJSON ./package.json).version}+${self.shortRev or self.dirtyShortRev or "unknown"}";
      packageFor = pkgs: pkgs.callPackage ./nix/package.nix { inherit version; };
      both = value: {
        default = value;
        drv-thru = value;
      };
    in
    {
      packages = eachSystem (pkgs: both (packageFor pkgs));

      apps = eachSystem (
        pkgs:
        both {
          type = "app";
          program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          meta.description = "Build on someone else's machine, by ticket";
        }
      );

      overlays.default = final: prev: { drv-thru = packageFor final; };

      nixosModules = both (
        { pkgs, ... }:
        {
          # Imported under both names it is still one.
          key = "drv-thru";
          imports = [ ./nixos ];
          services.drv-thru.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        }
      );

      checks = eachSystem (
        pkgs:
        {
          package-default = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          quick-start = pkgs.testers.runNixOSTest (import ./nixos/vm-test.nix self.nixosModules.default);
        }
      );

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.nix
            pkgs.nix-output-monitor
            pkgs.nodejs_24
          ];
        };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
