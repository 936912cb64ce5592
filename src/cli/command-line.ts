import { Cli, type Command, type CommandClass } from "clipanion";
import { Failure } from "../lib/failure.ts";
import { commands } from "./commands/index.ts";
import { ExitCode } from "./exit.ts";
import { commandHelp, overview, usageOf } from "./help.ts";
import type { Io } from "./io.ts";
import { refuseRepeated } from "./repeated.ts";
import { version } from "./version.ts";

type Class = CommandClass<Io>;

/** Runs the command that a command line names; resolves with the exit code. */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<number> {
  const words = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  if (words.length === 0 && argv.length === 0) {
    io.stderr.write(overview(cliOf(commands).definitions(), version()));
    return ExitCode.usage;
  }
  if (words[0] === "--version" || words[0] === "-V") return await showVersion(io);
  if (words[0] === "help" || words.includes("--help") || words.includes("-h")) return help(words, io);
  const command = parse(argv, words, io);
  return (await command.execute()) ?? ExitCode.done;
}

function cliOf(classes: readonly Class[]): Cli<Io> {
  return Cli.from<Io>([...classes], { binaryName: "drv-thru", enableColors: false });
}

/** The program's version, and below it what carries its bytes. */
async function showVersion(io: Io): Promise<number> {
  io.stdout.write(`drv-thru ${version()}\n`);
  const { irohInUse } = await import("../client/iroh.ts");
  const { text, passedOver } = irohInUse();
  io.stdout.write(`${text}\n`);
  if (passedOver !== undefined) io.stderr.write(`the native addon is not used: ${passedOver}\n`);
  return ExitCode.done;
}

function parse(argv: readonly string[], words: readonly string[], io: Io): Command<Io> {
  const found = findCommand(words);
  // clipanion makes a machine of what it may meet: of one command in a tenth of the time that it takes for all.
  const cli = cliOf(found ? [found] : commands);
  let parsed: Command<Io>;
  try {
    parsed = cli.process([...argv], io);
  } catch (error) {
    throw usageFailure(argv, error);
  }
  if (found) refuseRepeated(found, parsed, words);
  return parsed;
}

/** clipanion lists every command that might have been meant; a person wants the one reason for the command they typed. */
function usageFailure(argv: readonly string[], error: unknown): Failure {
  const found = findCommand(argv);
  if (!found) return unknownCommand(argv);
  const path = pathOf(found);
  const candidates: readonly { usage: string; reason: string | null }[] =
    error instanceof Error && "candidates" in error && Array.isArray(error.candidates) ? error.candidates : [];
  const reason = candidates.find(c => c.usage.startsWith(path) && c.reason)?.reason;
  const text = reason ?? (error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
  return new Failure("usage", "this machine", plainWords(text, usageOf(found)), {
    fix: `${path} --help`,
    cause: error,
  });
}

/** clipanion's sentence about a command line, in ours. */
function plainWords(text: string, usage: string): string {
  const [, unknown] = /^Unsupported option name \((.*)\)/.exec(text) ?? [];
  if (unknown !== undefined) return `unknown option ${unknown}`;
  const [, odd = ""] = /^Invalid option name \("(.*)"\)/.exec(text) ?? [];
  if (odd.includes("=")) return `${odd.slice(0, odd.indexOf("="))} takes no value, and is given one: "${odd}"`;
  const [, flag] = /^Not enough arguments to option (.*?)\.?$/.exec(text) ?? [];
  if (flag !== undefined) return `${flag} needs a value`;
  const [, extra] = /^Extraneous positional argument \((.*)\)/.exec(text) ?? [];
  if (extra !== undefined) return `${extra} is one argument too many`;
  if (text.startsWith("Not enough positional arguments")) return `${usage.split(" ")[0]} is missing`;
  return lowerFirst(text.replace(/\.$/, ""));
}

function unknownCommand(argv: readonly string[]): Failure {
  const paths = commands.map(pathOf);
  const typed = argv.filter(word => !word.startsWith("-")).slice(0, 2);
  const below = paths.filter(path => path.startsWith(`drv-thru ${typed[0]} `));
  const known = below.length > 0 ? below : paths;
  const what = unknownWords(typed, argv[0] ?? "", below.length > 0);
  return new Failure("usage", "this machine", what, { fix: known.join("\n") });
}

function unknownWords(typed: readonly string[], first: string, isNoun: boolean): string {
  if (typed.length === 0) return `unknown option "${first}"`;
  return isNoun && typed.length === 1 ? `"${typed[0]}" needs a verb` : `unknown command "${typed.join(" ")}"`;
}

function findCommand(words: readonly string[]): Class | undefined {
  const named = (path: readonly string[]) => path.every((word, i) => words[i] === word);
  return commands.find(({ paths }) => paths?.some(named));
}

function pathOf(command: Class): string {
  return ["drv-thru", ...(command.paths?.[0] ?? [])].join(" ");
}

function help(words: readonly string[], io: Io): number {
  const cli = cliOf(commands);
  const asked = (words[0] === "help" ? words.slice(1) : words).filter(word => !word.startsWith("-"));
  if (asked.length === 0) {
    io.stdout.write(overview(cli.definitions(), version()));
    return ExitCode.done;
  }
  const found = findCommand(asked);
  const definition = found && cli.definitions().find(d => d.path === pathOf(found));
  if (definition) {
    io.stdout.write(commandHelp(definition, usageOf(found)));
    return ExitCode.done;
  }
  const below = cli.definitions().filter(d => d.path.startsWith(`drv-thru ${asked[0]} `));
  if (below.length === 0) throw unknownCommand(asked);
  io.stdout.write(overview(below, version()));
  return ExitCode.done;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
