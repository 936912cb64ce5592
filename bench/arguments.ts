import { parseArgs } from "node:util";
import { WORKLOADS, type Workload } from "./workloads.ts";

/** What the bench is asked to do. */
export interface Asked {
  readonly workloads: readonly Workload[];
  readonly runs: number;
  /** Bytes of the big paths, in MiB; each workload's own where it says nothing. */
  readonly mib: number | undefined;
  readonly peer: boolean;
  readonly profile: boolean;
  /** For both of our programs. */
  readonly nodeOptions: readonly string[];
}

/** Reads the command line; `undefined` when the help was asked for. Throws an error that says what is wrong. */
export function readArguments(args: readonly string[]): Asked | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      runs: { type: "string", default: "1" },
      mib: { type: "string" },
      "no-peer": { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      "node-options": { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    workloads: choose(values.only),
    runs: count("--runs", values.runs),
    mib: values.mib === undefined ? undefined : count("--mib", values.mib),
    peer: !values["no-peer"],
    profile: values.profile,
    nodeOptions: values["node-options"].split(" ").filter(option => option !== ""),
  };
}

function choose(only: string | undefined): Workload[] {
  if (only === undefined) return WORKLOADS.filter(workload => !workload.onlyWhenNamed);
  return only.split(",").map(id => {
    const found = WORKLOADS.find(workload => workload.id === id);
    if (!found) throw new Error(`no workload ${id}; there are ${WORKLOADS.map(w => w.id).join(", ")}`);
    return found;
  });
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} ${text} is not a whole number above 0`);
  return value;
}

/** What `--help` prints. */
export function help(): string {
  const width = Math.max(...WORKLOADS.map(({ id }) => id.length));
  const line = (workload: Workload) =>
    `  ${workload.id.padEnd(width)}  ${workload.title(workload.mib)}${workload.onlyWhenNamed ? " (only when named)" : ""}`;
  return `Measures drv-thru beside Nix's own ssh-ng builder, on two hosts of this machine.

Usage: npm run bench -- [OPTIONS]

Options:
  --only IDS   These workloads, with commas between them. Default: all that need not be named.
  --runs N     Runs of each; the table shows medians, and the highest memory. Default 1.
  --mib N      Size of the big paths in MiB. Default: what the workload says.
  --no-peer    drv-thru alone.
  --profile    Write CPU profiles of client and builder to bench/results/, and say where the time went.
  --node-options TEXT
               Options of Node for client and builder, with blanks between them.

Workloads:
${WORKLOADS.map(line).join("\n")}

Each run is made anew by a salt, so that no store knows anything of it. "Local" is the same work done by the client's own
Nix: evaluating, building and adding the source, which both others do too. "Beyond" is the ratio of what is left of both
without that. Peak memory and CPU time are those of our two processes alone.

Examples:
  npm run bench
  npm run bench -- --only w3c,w4c --runs 3
  npm run bench -- --only w4c --mib 256 --no-peer --profile
`;
}
