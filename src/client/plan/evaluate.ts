import { Failure } from "../../lib/failure.ts";
import { cleanText } from "../../lib/terminal.ts";
import type { Store } from "../../nix/store.ts";
import { isDerivationPath, parseStorePath, type StorePath } from "../../nix/store-path.ts";
import type { Evaluation } from "../request.ts";
import { describeInstallables, evaluationArguments, type Installable, parseInstallables } from "./arguments.ts";
import type { RunNix } from "./nix-process.ts";

/** What one installable is: outputs of a derivation, or a store path as it stands. */
export type Evaluated =
  | { readonly kind: "derivation"; readonly drv: StorePath; readonly outputs: ReadonlyMap<string, StorePath> }
  | { readonly kind: "path"; readonly path: StorePath };

/** How to evaluate. */
export interface EvaluateOptions {
  readonly run: RunNix;
  readonly outputPaths: Store["outputPaths"];
  readonly onWarning: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Evaluates what was asked for in one process of the user's own Nix; the `.drv` files are in the store afterwards. In the order asked. */
export async function evaluate(request: Evaluation, options: EvaluateOptions): Promise<Evaluated[]> {
  const installables = parseInstallables(request);
  const strip = installables.some(item => item.outputs) && (await isOlderThan(2, 9, options));
  const output = await options.run(evaluationArguments(request, installables, strip), {
    cwd: request.cwd,
    signal: options.signal,
    onLine: line => {
      if (/^(warning|trace): /.test(line)) options.onWarning(cleanText(line.replace(/^warning: /, ""), 4096));
    },
  });
  options.signal?.throwIfAborted();
  if (output.exitCode !== 0) throw evaluationFailed(request, output.stderr);
  const items = parseBuildJson(output.stdout);
  return strip ? Promise.all(pair(items, installables).map(([item, asked]) => select(item, asked, options))) : items;
}

function evaluationFailed(request: Evaluation, stderr: string): Failure {
  const text = cleanText(stderr, 64 << 10).trim();
  const own = text
    .replace(/^warning: .*\n/gm, "")
    .replace(/^error: /, "")
    .replace(/\n\(use '--show-trace' .*\)$/, "");
  const message = `nix cannot evaluate ${describeInstallables(request)}: ${own || "it says nothing"}`;
  const noDaemon = /cannot connect to (socket|daemon)/.test(text);
  const about = noDaemon
    ? { reason: "daemon-unreachable", fix: "start the Nix daemon, for example: systemctl start nix-daemon" }
    : {
        reason: "evaluation",
        fix: "nix build --dry-run --show-trace, with the same arguments, shows where in the expression",
      };
  return new Failure("failed", "nix", message, about);
}

/** Reads what `nix build --json` prints: `[{"drvPath": …, "outputs": {NAME: PATH or null}}]`, with plain paths for what is no derivation. */
export function parseBuildJson(text: string): Evaluated[] {
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (cause) {
    throw unexpected("no JSON", cause);
  }
  if (!Array.isArray(items)) throw unexpected("no list");
  return items.map(parseItem);
}

function parseItem(item: unknown): Evaluated {
  if (typeof item === "string") return { kind: "path", path: storePath(item) };
  if (typeof item !== "object" || item === null) throw unexpected("an item that is no object");
  const { drvPath, path, outputs } = item as { drvPath?: unknown; path?: unknown; outputs?: unknown };
  if (drvPath === undefined && typeof path === "string") return { kind: "path", path: storePath(path) };
  const drv = storePath(drvPath);
  if (typeof outputs !== "object" || outputs === null || !isDerivationPath(drv)) throw unexpected("no derivation");
  const entries = Object.entries(outputs).map(([name, path]) => [name, knownPath(drv, name, path)] as const);
  return { kind: "derivation", drv, outputs: new Map(entries) };
}

function knownPath(drv: StorePath, name: string, path: unknown): StorePath {
  if (path !== null) return storePath(path);
  throw new Failure(
    "failed",
    "this machine",
    `the path of the output ${name} of ${drv} is not known before it is built`,
    {
      reason: "content-addressed",
      fix: "floating content-addressed and impure derivations cannot be built remotely yet: take __contentAddressed or __impure out of it, or of what it needs",
    },
  );
}

function storePath(value: unknown): StorePath {
  const path = typeof value === "string" ? parseStorePath(value) : undefined;
  if (path !== undefined) return path;
  throw unexpected(`${cleanText(JSON.stringify(value) ?? "nothing", 300)} in place of a path in /nix/store`);
}

function unexpected(what: string, cause?: unknown): Failure {
  return new Failure("failed", "nix", `nix build --json printed ${what}`, { cause, fix: "nix build --dry-run --json" });
}

async function isOlderThan(major: number, minor: number, options: EvaluateOptions): Promise<boolean> {
  const { stdout } = await options.run(["--version"], { signal: options.signal });
  // "nix (Nix) 2.8.0", "nix (Determinate Nix 3.22.0) 2.33.1", "nix (Lix, like Nix) 2.93.0": Nix's own is the last.
  const [, a = "", b = ""] = /(\d+)\.(\d+)[^ ]*\s*$/.exec(stdout) ?? [];
  return a !== "" && (Number(a) < major || (Number(a) === major && Number(b) < minor));
}

function pair(items: readonly Evaluated[], installables: readonly Installable[]): [Evaluated, Installable][] {
  return installables.map((installable, i) => {
    const item = items[i];
    if (item === undefined || items.length !== installables.length) throw unexpected("another number of derivations");
    return [item, installable];
  });
}

async function select(item: Evaluated, asked: Installable, options: EvaluateOptions): Promise<Evaluated> {
  if (item.kind === "path" || asked.outputs === undefined) return item;
  const [all = new Map<string, StorePath | undefined>()] = await options.outputPaths([item.drv]);
  const names = asked.outputs.includes("*") ? [...all.keys()] : asked.outputs;
  const chosen = names.map(name => {
    if (!all.has(name)) {
      const has = [...all.keys()].join(", ");
      throw new Failure("failed", "nix", `${asked.base || item.drv} has no output "${name}": it has ${has}`, {
        fix: `choose among them: ${asked.base}^${[...all.keys()].join(",")}`,
      });
    }
    return [name, knownPath(item.drv, name, all.get(name) ?? null)] as const;
  });
  return { ...item, outputs: new Map(chosen) };
}
