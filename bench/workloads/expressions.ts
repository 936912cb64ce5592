/** The head of every expression: `make NAME SCRIPT { }` is a derivation that no store knows, by the salt in it. */
const HEAD = `let
  salt = builtins.getEnv "SALT";
  make = name: script: extra: derivation ({
    inherit name salt;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-ec" script ];
    PATH = "/usr/bin:/bin";
  } // extra);
in `;

/** Perl is in every Debian. Two thirds zeros pack three to one; the rest is random. */
export function bytesScript(mib: number, compressible: boolean): string {
  // Not one longer run of zeros: what packs a whole stream to nothing would measure another thing.
  const zeros = compressible ? 'print "\\0" x 131072; $n += 131072;' : "";
  return `open(R,"<","/dev/urandom");for($n=0;$n<${mib * 2 ** 20};){read(R,$b,65536);print $b;$n+=65536;${zeros}}`;
}

/** Backslashes too: a "\\0" that Nix reads makes a file of the digit 0, in which each 32 bytes might be a reference. */
function nixText(text: string): string {
  return `"${text.replaceAll(/[\\"$]/g, "\\$&")}"`;
}

/** One trivial derivation. */
export const TRIVIAL = `${HEAD}make "trivial-\${salt}" "echo hi > $out" { }\n`;

/** One output of so many MiB. */
export function bigOutput(mib: number, compressible: boolean): string {
  return `${HEAD}make "output-\${salt}" ${nixText(`perl -e '${bytesScript(mib, compressible)}' > $out`)} { }\n`;
}

/** The file SRC as so many sources of one derivation. */
export function withSources(count: number): string {
  return `${HEAD}make "with-sources-\${salt}" "cat $srcs | wc -c > $out" {
  srcs = builtins.genList (n: builtins.path {
    path = builtins.getEnv "SRC";
    name = "source-\${toString n}-\${salt}";
  }) ${count};
}
`;
}

/** So many small derivations, each with a small source, and one that depends on all. */
export function manyDerivations(count: number): string {
  return `${HEAD}let
  one = n: make "leaf-\${toString n}-\${salt}" "read line < $src; echo $line $salt > $out" {
    src = builtins.toFile "source-\${toString n}" "source \${toString n} \${salt}\\n";
  };
in make "many-\${salt}" "for leaf in $leaves; do echo $leaf; done > $out" { leaves = builtins.genList one ${count}; }
`;
}

/** One derivation of so many small sources. */
export function manySources(count: number): string {
  return `${HEAD}make "many-sources-\${salt}" "cat $srcs > $out" {
  srcs = builtins.genList (n: builtins.toFile "source-\${toString n}" "source \${toString n} \${salt}\\n") ${count};
}
`;
}

/** A closure of 5,000 sources: 4,920 texts in 60 groups, the same for every salt, and 20 more that no store knows. */
export const CLOSURE = `${HEAD}let
  lines = builtins.concatStringsSep "\\n";
  old = n: builtins.toFile "old-\${toString n}" "old \${toString n}\\n";
  group = n: builtins.toFile "group-\${toString n}" (lines (builtins.genList (m: old (n * 82 + m)) 82));
  new = n: builtins.toFile "new-\${toString n}" "new \${toString n} \${salt}\\n";
in make "closure-\${salt}" "wc -c < $src > $out" {
  src = builtins.toFile "all" (lines (builtins.genList group 60 ++ builtins.genList new 19));
}
`;

/**
 * A project of 200 derivations: 199 libraries, most of which need three others, and the program that needs all. EDIT is a line in the source of one
 * library on which only one other depends, so that each edit changes three of them.
 */
export const PROJECT = `${HEAD}let
  edit = builtins.getEnv "EDIT";
  line = n: "int lib_\${toString n}_\${salt}(int x) { return x + \${toString n}; }\\n";
  text = n: builtins.concatStringsSep "" (builtins.genList (m: line n) 100) + (if n == 190 then edit else "");
  needs = n: if n < 10 then [ ] else map (builtins.elemAt libraries) [ (n / 2) (n - 7) (n * 2 / 3) ];
  script = "for i in 1 2 3 4; do cat $src; done > $out; for need in $needs; do echo $need; done >> $out";
  library = n: make "lib-\${toString n}-\${salt}" script {
    src = builtins.toFile "lib-\${toString n}.c" (text n);
    needs = needs n;
  };
  libraries = builtins.genList library 199;
in make "program-\${salt}" "for need in $needs; do echo $need; done > $out" { needs = libraries; }
`;
