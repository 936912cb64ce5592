import { Failure } from "../../lib/failure.ts";
import type { Evaluation } from "../request.ts";
import { chooseStore } from "./store-choice.ts";

/** An installable and the outputs chosen after its `^`. */
export interface Installable {
  /** As it was given. */
  readonly text: string;
  /** Without `^outputs`. */
  readonly base: string;
  /** Names, or `*` alone; `undefined`: the default outputs. */
  readonly outputs: readonly string[] | undefined;
}

/** Checks and splits what was asked for. None means `.`, unless a file or an expression is there to be built whole. */
export function parseInstallables(request: Evaluation): Installable[] {
  if (request.file !== undefined && request.expr !== undefined) throw usage("--file and --expr exclude each other");
  const whole = request.file !== undefined || request.expr !== undefined;
  const given = request.installables?.length ? request.installables : whole ? [] : ["."];
  return given.map(parseInstallable);
}

function parseInstallable(text: string): Installable {
  if (text.startsWith("-")) throw usage(`"${text}" is not an installable: it begins with a dash`);
  if (text.includes("\0") || text === "") throw usage("an installable is empty or holds a zero byte");
  if (/^drvthru[a-z2-7]{32,}$/i.test(text))
    throw new Failure("usage", "this machine", "that is a ticket, not an installable", { fix: "--ticket TICKET" });
  const at = text.lastIndexOf("^");
  const selection = at < 0 ? "" : text.slice(at + 1);
  if (!/^(\*|[A-Za-z0-9_+.?=-]+(,[A-Za-z0-9_+.?=-]+)*)$/.test(selection))
    return { text, base: text, outputs: undefined };
  return { text, base: text.slice(0, at), outputs: selection.split(",") };
}

/** The command line of the one evaluation. `stripOutputs`: for a Nix that does not know `^`. */
export function evaluationArguments(
  request: Evaluation,
  installables: readonly Installable[],
  stripOutputs: boolean,
): string[] {
  const many = (flag: string, pairs: readonly (readonly [string, string])[] | undefined) =>
    (pairs ?? []).flatMap(pair => [flag, ...pair]);
  const one = (flag: string, on: boolean | undefined) => (on ? [flag] : []);
  const value = (flag: string, text: string | undefined) => (text === undefined ? [] : [flag, text]);
  const store = chooseStore(request.store, request.cwd ?? process.cwd());
  return [
    "build",
    // Prints derivations and output paths without building. It also asks the substituters what they have, as every `nix build` does; to
    // forbid that (`substitute = false`) would make an import from derivation build from source what it should have fetched.
    "--dry-run",
    "--json",
    "--no-link",
    "--extra-experimental-features",
    "nix-command flakes",
    ...value("--store", store?.uri),
    ...value("--file", request.file),
    ...value("--expr", request.expr),
    ...one("--impure", request.impure),
    ...one("--refresh", request.refresh),
    ...one("--accept-flake-config", request.acceptFlakeConfig),
    ...one("--no-update-lock-file", request.noUpdateLockFile),
    ...one("--no-write-lock-file", request.noWriteLockFile),
    ...many("--override-input", request.overrideInputs),
    ...many("--option", request.nixOptions),
    ...many("--arg", request.args),
    ...many("--argstr", request.argstrs),
    ...(request.include ?? []).flatMap(path => ["-I", path]),
    ...installables.map(installable => (stripOutputs ? installable.base : installable.text)),
  ];
}

/** What was asked for, in one line for people. */
export function describeInstallables(request: Evaluation): string {
  const names = parseInstallables(request).map(installable => installable.text);
  const source = request.file === undefined ? (request.expr === undefined ? [] : ["--expr …"]) : ["-f", request.file];
  return [...source, ...names].join(" ");
}

function usage(message: string): Failure {
  return new Failure("usage", "this machine", message, {
    fix: "an installable is what nix build takes, such as .#app or nixpkgs#hello",
  });
}
