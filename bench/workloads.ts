/** One kind of work, made anew by a salt so that nothing of it is known to either store. */
export interface Workload {
  readonly id: string;
  readonly title: string;
  /** Bytes of the one big path in it, for the table. */
  readonly bytes: number;
  /** The Nix file. It reads SALT, and SRC where there is a source. */
  readonly file: string;
  /** What the source holds, if there is one. */
  readonly source?: { readonly bytes: number; readonly compressible: boolean };
  /** Not part of a run that names no workloads. */
  readonly onlyWhenNamed?: boolean;
}

const GIB = 2 ** 30;
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
export function bytesScript(bytes: number, compressible: boolean): string {
  const zeros = compressible ? 'print "\\0" x 131072; $n += 131072;' : "";
  return `open(R,"<","/dev/urandom");for($n=0;$n<${bytes};){read(R,$b,65536);print $b;$n+=65536;${zeros}}`;
}

function output(bytes: number, compressible: boolean): string {
  const script = bytesScript(bytes, compressible).replaceAll('"', '\\"').replaceAll("$", "\\$");
  return `${HEAD}make "output-\${salt}" "perl -e '${script}' > $out" { }\n`;
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

/** All of them, in the order of the table. */
export const WORKLOADS: readonly Workload[] = [
  {
    id: "w1",
    title: "one trivial derivation",
    bytes: 0,
    file: `${HEAD}make "trivial-\${salt}" "echo hi > $out" { }\n`,
  },
  { id: "w2", title: "1,000 small sources, derivations and outputs", bytes: 0, file: MANY },
  { id: "w3c", title: "one 1 GiB output, compressible", bytes: GIB, file: output(GIB, true) },
  { id: "w3r", title: "one 1 GiB output, random", bytes: GIB, file: output(GIB, false) },
  {
    id: "w4c",
    title: "one 1 GiB source, compressible",
    bytes: GIB,
    file: WITH_SOURCE,
    source: { bytes: GIB, compressible: true },
  },
  {
    id: "w4r",
    title: "one 1 GiB source, random",
    bytes: GIB,
    file: WITH_SOURCE,
    source: { bytes: GIB, compressible: false },
  },
  {
    id: "big-output",
    title: "one 4 GiB output, compressible (memory)",
    bytes: 4 * GIB,
    file: output(4 * GIB, true),
    onlyWhenNamed: true,
  },
  {
    id: "big-source",
    title: "one 4 GiB source, compressible (memory)",
    bytes: 4 * GIB,
    file: WITH_SOURCE,
    source: { bytes: 4 * GIB, compressible: true },
    onlyWhenNamed: true,
  },
];
