# A tower of three floors: five derivations that need a shell and nothing else, no nixpkgs, no network.
{
  system ? builtins.currentSystem,
  # Written over the door.
  motto ? "hello, whoever built this",
  # A folder with `sh` and the tools in it, such as Debian's static busybox and links to it: then a sandbox can build this.
  # Without one it is the builder's own /bin/sh, which only a builder without a sandbox has.
  tools ? if builtins.pathExists ./bin then ./bin else null,
}:
let
  step =
    name: script: more:
    derivation (
      {
        inherit name system;
        builder = if tools == null then "/bin/sh" else "${tools}/sh";
        args = [ "-eu" script ];
        PATH = if tools == null then "/usr/bin:/bin" else "${tools}";
      }
      // more
    );

  bricks = step "bricks" ./bricks.sh { };

  floor = name: step "floor-${name}" ./floor.sh {
    inherit bricks;
    floor = name;
    words = ./floors + "/${name}.txt";
  };
in
step "hello-tower" ./tower.sh {
  inherit motto;
  outputs = [ "out" "plan" ];
  floors = map floor [ "roof" "hall" "cellar" ];
}
// {
  # Nix's versions differ in which outputs they take where nothing says it.
  meta.outputsToInstall = [ "out" ];
}
