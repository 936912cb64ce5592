import { join } from "node:path";
import { evaluate, libFolder } from "./nix.ts";

/** A unit as the module sets it. */
export interface Unit {
  readonly description: string;
  readonly wantedBy: readonly string[];
  readonly wants: readonly string[];
  readonly requires: readonly string[];
  readonly partOf: readonly string[];
  readonly after: readonly string[];
  readonly reloadTriggers: readonly string[];
  readonly restartTriggers: readonly string[];
  readonly path: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly unitConfig: Settings;
  readonly serviceConfig: Settings;
  readonly socketConfig: Settings;
}

/** A section of a unit. */
export type Settings = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** What the module makes of a machine. */
export interface Machine {
  /** The messages of assertions that do not hold. */
  readonly failed: readonly string[];
  readonly warnings: readonly string[];
  /** Files of `/etc`, with their text. */
  readonly etc: Readonly<Record<string, string>>;
  /** By name with ending. */
  readonly units: Readonly<Record<string, Unit>>;
  readonly systemPackages: readonly string[];
  readonly sessionVariables: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, readonly string[]>>;
  readonly users: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly groups: Readonly<Record<string, unknown>>;
  readonly tmpfiles: readonly string[];
  readonly options: readonly { name: string; type: string; default: string | null; description: string }[];
}

/** Evaluates a machine whose configuration is this module: an attribute set, or a function. Throws what Nix says. */
export function machine(config: string): Machine {
  const file = join(import.meta.dirname, "evaluate.nix");
  return evaluate(`import ${file} { libFolder = ${libFolder}; config = ${config}; }`) as Machine;
}

/** A unit as a file, its sections and settings in a fixed order. */
export function unitText(unit: Unit): string {
  const head: Settings = {
    After: unit.after.join(" "),
    Description: unit.description,
    PartOf: unit.partOf.join(" "),
    Requires: unit.requires.join(" "),
    Wants: unit.wants.join(" "),
    ...unit.unitConfig,
  };
  const sections: readonly [name: string, settings: Settings][] = [
    ["Unit", head],
    ["Service", unit.serviceConfig],
    ["Socket", unit.socketConfig],
    ["Install", { WantedBy: unit.wantedBy.join(" ") }],
  ];
  const texts = sections.map(([name, settings]) => [`[${name}]`, ...settingLines(settings)]);
  return `${texts
    .filter(lines => lines.length > 1)
    .map(lines => lines.join("\n"))
    .join("\n\n")}\n`;
}

/** The lines of a section in the order of their names. An empty text is none, but for the lists that it empties. */
function settingLines(settings: Settings): string[] {
  return Object.entries(settings)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map(each => `${name}=${each}`))
    .filter(line => !/^(After|PartOf|Requires|Wants|WantedBy)=$/.test(line));
}
