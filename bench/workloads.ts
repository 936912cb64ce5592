/** One kind of work, made anew by a salt so that nothing of it is known to either store. */
export interface Workload {
  readonly id: string;
  /** What is in it, with the one big path in MiB. */
  title(mib: number): string;
  /** MiB of the one big path, 0 if there is none. */
  readonly mib: number;
  /** The Nix file. It reads SALT, and SRC where there is a source. */
  file(mib: number): string;
  /** Whether the big path is a source, which is to be made before. */
  readonly source: boolean;
  readonly compressible: boolean;
  /** Not part of a run that names no workloads. */
  readonly onlyWhenNamed?: boolean;
}

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

function output(mib: number, compressible: boolean): string {
  return `${HEAD}make "output-\${salt}" ${nixText(`perl -e '${bytesScript(mib, compressible)}' > $out`)} { }\n`;
}

/** Backslashes too: a "\\0" that Nix reads makes a file of the digit 0, in which each 32 bytes might be a reference. */
function nixText(text: string): string {
  return `"${text.replaceAll(/[\\"$]/g, "\\$&")}"`;
}

const WITH_SOURCE = `${HEAD}make "with-source-\${salt}" "wc -c < $src > $out" {
  src = builtins.path { path = builtins.getEnv "SRC"; name = "source-\${salt}"; };
}
`;

const MANY = `${HEAD}let
  one = n: make "leaf-\${toString n}-\${salt}" "read line < $src; echo $line $salt > $out" {
    src = builtins.toFile "source-\${toString n}" "source \${toString n} \${salt}\\n";
  };
in make "many-\${salt}" "for leaf in $leaves; do echo $leaf; done > $out" { leaves = builtins.genList one 1000; }
`;

const NONE = { mib: 0, source: false, compressible: false } as const;

function big(id: string, kind: "source" | "output", mib: number, compressible: boolean): Workload {
  return {
    id,
    title: size => `one ${sizeText(size)} ${kind}, ${compressible ? "compressible" : "random"}`,
    mib,
    file: size => (kind === "source" ? WITH_SOURCE : output(size, compressible)),
    source: kind === "source",
    compressible,
  };
}

function sizeText(mib: number): string {
  return mib % 1024 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** All of them, in the order of the table. */
export const WORKLOADS: readonly Workload[] = [
  {
    ...NONE,
    id: "w1",
    title: () => "one trivial derivation",
    file: () => `${HEAD}make "trivial-\${salt}" "echo hi > $out" { }\n`,
  },
  { ...NONE, id: "w2", title: () => "1,000 small sources, derivations and outputs", file: () => MANY },
  big("w3c", "output", 1024, true),
  big("w3r", "output", 1024, false),
  big("w4c", "source", 1024, true),
  big("w4r", "source", 1024, false),
  { ...big("big-output", "output", 4096, true), onlyWhenNamed: true },
  { ...big("big-source", "source", 4096, true), onlyWhenNamed: true },
];
