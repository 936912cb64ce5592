import type { TargetFlags } from "../target.ts";

/** What a person says of a build. */
export interface BuildFlags extends TargetFlags {
  readonly installables: readonly string[];
  readonly keyFile?: string | undefined;
  readonly outLink?: string | undefined;
  readonly noLink: boolean;
  readonly keepGoing: boolean;
  readonly rebuild: boolean;
  readonly narFetches?: string | undefined;
  readonly store?: string | undefined;
  readonly file?: string | undefined;
  readonly expr?: string | undefined;
  readonly impure: boolean;
  readonly refresh: boolean;
  readonly overrideInput: readonly [string, string][];
  readonly option: readonly [string, string][];
  readonly arg: readonly [string, string][];
  readonly argstr: readonly [string, string][];
  readonly include: readonly string[];
  readonly acceptFlakeConfig: boolean;
  readonly noUpdateLockFile: boolean;
  readonly noWriteLockFile: boolean;
  readonly printBuildLogs: boolean;
  readonly noNom: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
}

/** Flags that have a short name, by it. */
const SHORT = new Map(
  Object.entries({
    "-o": "--out-link",
    "-k": "--keep-going",
    "-f": "--file",
    "-I": "--include",
    "-L": "--print-build-logs",
    "-v": "--verbose",
  }),
);

/** Flags by how many words follow them, once or each time that they are given. */
const SWITCHES = new Set(
  "--no-link --keep-going --rebuild --impure --refresh --accept-flake-config --no-update-lock-file --no-write-lock-file --print-build-logs --no-nom --quiet --verbose --json".split(
    " ",
  ),
);
const VALUES = new Set(
  "--ticket --ticket-file --builder --server --key-file --out-link --nar-fetches --store --file --expr".split(" "),
);
const LISTS = new Set(["--relay-url", "--address", "--include"]);
const PAIRS = new Set(["--override-input", "--option", "--arg", "--argstr"]);

/**
 * Reads the words of a build where they are as people mostly write them, so that Nix can evaluate while the rest of the program is loaded: clipanion, which
 * reads every other command line, takes as long as Node itself takes to start. `undefined`: clipanion shall say what they mean, or what is wrong with them.
 */
export function readBuildWords([command, ...words]: readonly string[]): BuildFlags | undefined {
  if (command !== "build") return undefined;
  const installables: string[] = [];
  const given = new Map<string, string[][]>();
  while (words.length > 0) {
    const word = words.shift() ?? "";
    if (!word.startsWith("-")) {
      installables.push(word);
      continue;
    }
    const name = SHORT.get(word) ?? word;
    const count = countOf(name, given.has(name));
    if (count === undefined || count > words.length) return undefined;
    const values = words.splice(0, count);
    if (values.some(value => value.startsWith("-"))) return undefined;
    given.set(name, [...(given.get(name) ?? []), values]);
  }
  return flagsOf(installables, given);
}

/** How many words belong to a flag; `undefined` for one that is not known, or may not be repeated. */
function countOf(name: string, again: boolean): number | undefined {
  if (LISTS.has(name)) return 1;
  if (PAIRS.has(name)) return 2;
  if (again) return undefined;
  return SWITCHES.has(name) ? 0 : VALUES.has(name) ? 1 : undefined;
}

function flagsOf(installables: readonly string[], given: ReadonlyMap<string, readonly string[][]>): BuildFlags {
  const on = (name: string) => given.has(name);
  const one = (name: string) => given.get(name)?.[0]?.[0];
  const list = (name: string) => (given.get(name) ?? []).flat();
  const pairs = (name: string) => (given.get(name) ?? []).map(([a = "", b = ""]): [string, string] => [a, b]);
  return {
    installables,
    ticket: one("--ticket"),
    ticketFile: one("--ticket-file"),
    builder: one("--builder"),
    server: one("--server"),
    relayUrl: list("--relay-url"),
    address: list("--address"),
    keyFile: one("--key-file"),
    outLink: one("--out-link"),
    noLink: on("--no-link"),
    keepGoing: on("--keep-going"),
    rebuild: on("--rebuild"),
    narFetches: one("--nar-fetches"),
    store: one("--store"),
    file: one("--file"),
    expr: one("--expr"),
    impure: on("--impure"),
    refresh: on("--refresh"),
    overrideInput: pairs("--override-input"),
    option: pairs("--option"),
    arg: pairs("--arg"),
    argstr: pairs("--argstr"),
    include: list("--include"),
    acceptFlakeConfig: on("--accept-flake-config"),
    noUpdateLockFile: on("--no-update-lock-file"),
    noWriteLockFile: on("--no-write-lock-file"),
    printBuildLogs: on("--print-build-logs"),
    noNom: on("--no-nom"),
    quiet: on("--quiet"),
    verbose: on("--verbose"),
    json: on("--json"),
  };
}
