/** What the machines can build to which a Nix hands work: its setting `builders`. */
export interface Machines {
  readonly systems: readonly string[];
  readonly features: readonly string[];
}

/** Most machines that are read. */
const MOST = 10_000;

/**
 * Reads the setting `builders`, or a file that it names: machines divided by line or `;`, each with URI, systems, key, jobs, speed, features and
 * mandatory features; `-` is not set, `#` begins a comment, `@FILE` stands for the machines of a file. `readFile` gives none where a file lacks.
 */
export function parseMachines(
  text: string,
  ownSystem: string,
  readFile: (path: string) => string | undefined,
): Machines {
  const machines = entriesOf(text).flatMap(entry => {
    if (!entry.startsWith("@")) return [entry];
    return entriesOf(readFile(entry.slice(1).trim()) ?? "").filter(other => !other.startsWith("@"));
  });
  const fields = machines.slice(0, MOST).map(machine => machine.split(/\s+/));
  const lists = (index: number) => fields.flatMap(each => listOf(each[index]));
  const systems = fields.flatMap(each => (listOf(each[1]).length > 0 ? listOf(each[1]) : [ownSystem]));
  return { systems: [...new Set(systems)], features: [...new Set([...lists(5), ...lists(6)])] };
}

function entriesOf(text: string): string[] {
  const lines = text.split("\n").map(line => line.replace(/#.*/, ""));
  return lines
    .flatMap(line => line.split(";"))
    .map(entry => entry.trim())
    .filter(entry => entry !== "");
}

function listOf(field: string | undefined): string[] {
  return field === undefined || field === "-" ? [] : field.split(",").filter(word => word !== "");
}
