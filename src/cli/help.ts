import type { CommandClass, Definition } from "clipanion";
import type { Io } from "./io.ts";
import { formatColumns } from "./table.ts";

/** The usual options of a command; the ones below are shown with every command. */
const GENERAL = [["-h, --help", "Show this help"]] as const;

/** The help of one command: what it does, usage, options, examples. */
export function commandHelp(definition: Definition, usage: string): string {
  const options = [...definition.options.map(optionRow), ...GENERAL];
  const parts = [
    `${definition.description?.trim() ?? ""}`,
    `Usage: ${definition.path} ${usage}`.trimEnd(),
    ...(definition.details ? [definition.details.replace(/ +$/gm, "").trim()] : []),
    `Options:\n${formatColumns(options, "  ")}`,
    ...(definition.examples?.length ? [`Examples:\n${definition.examples.map(exampleLines).join("\n")}`] : []),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** The list of all commands. */
export function overview(definitions: readonly Definition[], version: string): string {
  const rows = definitions.map(d => [d.path.replace(/^drv-thru /, ""), d.description?.trim() ?? ""] as const);
  return [
    `drv-thru ${version}: Nix builds on someone else's machine, by ticket`,
    "Usage: drv-thru COMMAND [ARGUMENTS]",
    `Commands:\n${formatColumns(rows, "  ")}`,
    "Examples:\n  Build on the machine of whoever gave you a ticket\n    drv-thru build nixpkgs#hello --ticket drvthru...\n" +
      "  Turn this machine into a builder, and hand out a ticket\n    drv-thru serve\n    drv-thru ticket create",
    "drv-thru help COMMAND says more. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 try again, 4 not permitted,\n100 build failed, 101 timed out, 102 hash mismatch, 104 not deterministic, 130 interrupted.\n",
  ].join("\n\n");
}

/** Option descriptions are written `VALUE | what it does`, or just what it does for a flag. */
function optionRow(option: Definition["options"][number]): readonly [string, string] {
  const [value, text] = splitDescription(option.description ?? "");
  const names = option.definition.replace(/ #\d+/g, "").split(",").join(", ");
  return [value ? `${names} ${value}` : names, text];
}

function splitDescription(description: string): [value: string, text: string] {
  const bar = description.indexOf(" | ");
  return bar < 0 ? ["", description.trim()] : [description.slice(0, bar).trim(), description.slice(bar + 3).trim()];
}

function exampleLines([what, command]: [string, string]): string {
  return `  ${what.trim()}\n    ${command}`;
}

/** The words behind the path in a usage line, as a command declares them. */
export function usageOf(command: CommandClass<Io>): string {
  const declared = "usageLine" in command ? command.usageLine : undefined;
  return typeof declared === "string" ? declared : "";
}
