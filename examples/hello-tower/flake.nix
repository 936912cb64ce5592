{
  description = "A tower of five derivations, to try a builder with";

  outputs = { self }: {
    packages = builtins.listToAttrs (
      map (system: {
        name = system;
        value.default = import ./default.nix { inherit system; };
      }) [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ]
    );
  };
}
