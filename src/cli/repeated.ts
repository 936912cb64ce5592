import type { CommandClass } from "clipanion";
import { Failure } from "../lib/failure.ts";
import type { Io } from "./io.ts";

/** Refuses a flag that takes one value and is given more than one: clipanion would take the last and say nothing. */
export function refuseRepeated(command: CommandClass<Io>, parsed: object, words: readonly string[]): void {
  const values = new Map<string, unknown>(Object.entries(parsed));
  for (const [key, option] of Object.entries(new command())) {
    // A flag that may be repeated has become a list.
    if (typeof values.get(key) !== "string") continue;
    const names = namesOf(option);
    // A value cannot look like a flag: clipanion has refused that already.
    const given = words.filter(word => names.some(name => word === name || word.startsWith(`${name}=`)));
    if (given.length < 2) continue;
    const message = `${names.at(-1)} takes one value, and is given ${given.length} times`;
    throw new Failure("usage", "this machine", message, { fix: `drv-thru ${command.paths?.[0]?.join(" ")} --help` });
  }
}

/** The names of an option, as it declares them to clipanion. */
function namesOf(option: unknown): readonly string[] {
  const names: string[] = [];
  if (typeof option !== "object" || option === null || !("definition" in option)) return names;
  if (typeof option.definition !== "function") return names;
  const addOption = (declared: { readonly names: readonly string[] }) => names.push(...declared.names);
  option.definition({ addOption, addPositional() {}, addRest() {}, addProxy() {} }, "");
  return names;
}
