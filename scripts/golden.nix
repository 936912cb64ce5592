# What scripts/golden.ts lets a real Nix evaluate and build. Nothing here comes from the network.
{ tree }:
let
  make = attrs: derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; } // attrs);
  source = builtins.path { path = tree; name = "source"; };
  floating = attrs: make ({ __contentAddressed = true; outputHashAlgo = "sha256"; outputHashMode = "recursive"; } // attrs);
in
rec {
  text = builtins.toFile "text" "a text\n";
  text-refs = builtins.toFile "text-refs" "${text} and ${source}\n";

  plain = make { name = "plain"; args = [ "-c" "echo plain > $out" ]; };
  several = make {
    name = "several";
    outputs = [ "out" "dev" "doc" ];
    args = [ "-c" "echo $out ${plain} ${source} > $out; echo $out > $dev; echo doc > $doc" ];
    requiredSystemFeatures = [ "benchmark" "big-parallel" ];
  };
  uses-some = make { name = "uses-some"; args = [ "-c" "echo ${several.dev} ${several.doc} > $out" ]; };
  escapes = make {
    name = "escapes";
    quotes = "say \"hi\" \\ and ''two''";
    white = "tab\tline\nreturn\rend";
    other = "ü € 𝄞 ${"$"}{x} \\n ($,[])";
    empty = "";
    args = [ "-c" "echo \"$quotes\" > $out" "" "\\" "\"" ];
  };
  structured = make {
    name = "structured";
    __structuredAttrs = true;
    requiredSystemFeatures = [ "kvm" "nixos-test" ];
    nested = { list = [ 1 true null "x\"y" ]; };
    args = [ "-c" ": > $out" ];
  };
  fixed-flat = make {
    name = "fixed-flat";
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "fixed\n";
    args = [ "-c" "echo fixed > $out" ];
  };
  fixed-recursive = make {
    name = "fixed-recursive";
    outputHashMode = "recursive";
    outputHashAlgo = "sha512";
    outputHash = builtins.hashString "sha512" "never built";
    args = [ "-c" "exit 1" ];
  };
  floating-self = floating { name = "floating-self"; args = [ "-c" "echo $out ${source} $out > $out; echo twice $out >> $out" ]; };
  floating-flat = floating { name = "floating-flat"; outputHashMode = "flat"; args = [ "-c" "echo flat > $out" ]; };
  deferred = make { name = "deferred"; args = [ "-c" "echo ${floating-self} > $out" ]; };
}
