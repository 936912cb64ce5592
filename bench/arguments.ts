import { statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CONTESTANTS, type Contestant } from "./peers/peer.ts";
import { WORKLOADS, workloadsNamed } from "./workloads/index.ts";
import type { Workload } from "./workloads/workload.ts";

/** What the bench is asked to do. */
export interface Asked {
  readonly workloads: readonly Workload[];
  /** Runs of each; each workload's own where it says nothing. */
  readonly runs: number | undefined;
  /** Bytes of the big paths, in MiB; each workload's own where it says nothing. */
  readonly mib: number | undefined;
  /** Who may take part. */
  readonly who: readonly Contestant[];
  /** The path of another program with our command line. */
  readonly seed: string | undefined;
  readonly profile: boolean;
  /** Whether `docs/performance.md` and its chart are written. */
  readonly docs: boolean;
  /** For both of our programs. */
  readonly nodeOptions: readonly string[];
}

/** Reads the command line; `undefined` when the help was asked for. Throws an error that says what is wrong. */
export function readArguments(args: readonly string[]): Asked | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      runs: { type: "string" },
      mib: { type: "string" },
      peer: { type: "string" },
      who: { type: "string" },
      "no-peer": { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      docs: { type: "boolean", default: false },
      "node-options": { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    workloads: choose(values.only),
    runs: count("--runs", values.runs),
    mib: count("--mib", values.mib),
    who: values["no-peer"] ? ["local", "native", "number0"] : contestants(values.who),
    seed: seedOf(values.peer),
    profile: values.profile,
    docs: values.docs,
    nodeOptions: values["node-options"].split(" ").filter(option => option !== ""),
  };
}

function choose(only: string | undefined): Workload[] {
  if (only === undefined) return WORKLOADS.filter(workload => !workload.onlyWhenNamed);
  return [...new Set(only.split(",").flatMap(workloadsNamed))];
}

function contestants(text: string | undefined): readonly Contestant[] {
  if (text === undefined) return CONTESTANTS;
  return text.split(",").map(name => {
    const found = CONTESTANTS.find(who => who === name);
    if (!found) throw new Error(`no contestant ${name}; there are ${CONTESTANTS.join(", ")}`);
    return found;
  });
}

function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} ${text} is not a whole number above 0`);
  return value;
}

function seedOf(peer: string | undefined): string | undefined {
  if (peer === undefined) return undefined;
  const [, path] = /^seed=(.+)$/s.exec(peer) ?? [];
  if (path === undefined) throw new Error(`--peer ${peer} is not seed=PATH`);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new Error(`--peer seed=${path}: there is no such file`);
  return resolve(path);
}

/** What `--help` prints. */
export function help(): string {
  const width = Math.max(...WORKLOADS.map(({ id }) => id.length));
  const line = (workload: Workload) =>
    `  ${workload.id.padEnd(width)}  ${workload.title(workload.mib)}${workload.onlyWhenNamed ? " (only when named)" : ""}`;
  return `Measures drv-thru beside Nix's own ways to build on another machine, on two hosts of this one. Needs root.

Usage: npm run bench -- [OPTIONS]
       npm run profile -- WORKLOAD [OPTIONS]

Options:
  --only IDS        These workloads, with commas between them; w3 means all that begin so. Default: all that need not be named.
  --runs N          Runs of each; the tables show medians, and the highest memory. Default: 1, of the shortest more.
  --mib N           Size of the big paths in MiB. Default: what the workload says.
  --peer seed=PATH  Also another program with this command line, which finds its libraries outside /nix. All then build a flake.
  --who NAMES       These contestants, with commas between them. Default: all.
  --no-peer         Those of --who local,native,number0.
  --docs            Write the tables and the chart into docs/performance.md and docs/performance.svg.
  --profile         Write CPU profiles of client and builder to bench/results/, and say where the time went.
  --node-options TEXT
                    Options of Node for client and builder, with blanks between them.

Workloads:
${WORKLOADS.map(line).join("\n")}

Each run is made anew by a salt, so that no store knows anything of it. All contestants do a run, by turns, before the next begins:
  local    the client's own Nix: evaluating, building and adding the source, which all others do too
  native   drv-thru with the native addon at both ends
  number0  drv-thru with @number0/iroh at both ends
  ssh-ng   Nix's remote builder, by its daemon's configuration
  store    nix build --store ssh-ng://..., then nix copy of the outputs
  seed     the program of --peer

What was measured so far is in bench/results/latest.json after each workload. A failure is reported, and the rest goes on.

Examples:
  npm run bench
  npm run bench -- --only w3,w4 --runs 3
  npm run bench -- --only w2 --who local,native,store
  npm run profile -- w4c --mib 256
`;
}
