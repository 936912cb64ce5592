import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BuildRequest } from "../request.ts";
import { evaluationArguments, parseInstallables } from "./arguments.ts";
import { type RunNix, runNix } from "./nix-process.ts";
import { chooseStore } from "./store-choice.ts";

/** An evaluation that has begun. */
export interface EvaluationAhead {
  /** Runs Nix; whoever asks for that very evaluation has the one that has begun, once. */
  readonly run: RunNix;
  /** Ends it if it still runs. */
  stop(): void;
}

/** Has Nix evaluate what a build asks for while the rest of the program is loaded. What is wrong with the request is not said here. */
export function evaluateAhead(request: BuildRequest): EvaluationAhead {
  const args = argumentsOf(request);
  if (args === undefined || request.signal?.aborted) return { run: runNix, stop: () => undefined };
  const scope = new AbortController();
  const signal = AbortSignal.any([scope.signal, ...(request.signal ? [request.signal] : [])]);
  const lines: string[] = [];
  let hear = (line: string): unknown => lines.push(line);
  const begun = runNix(args, { cwd: request.cwd, signal, onLine: line => hear(line) });
  begun.catch(() => undefined);
  let taken = false;
  const run: RunNix = (asked, options = {}) => {
    if (taken || asked.length !== args.length || !asked.every((word, i) => word === args[i]))
      return runNix(asked, options);
    taken = true;
    const { onLine = () => undefined } = options;
    for (const line of lines) onLine(line);
    hear = onLine;
    return begun;
  };
  return { run, stop: () => scope.abort() };
}

/** `undefined` where Nix has to be asked for its version before, where its store is not made yet, or where the request is wrong. */
function argumentsOf(request: BuildRequest): string[] | undefined {
  try {
    const installables = parseInstallables(request);
    if (!storeIsMade(request)) return undefined;
    return installables.some(item => item.outputs) ? undefined : evaluationArguments(request, installables, false);
  } catch {
    // Said when the build begins, among all else that may be wrong.
    return undefined;
  }
}

/** Two that open a new store at once are in each other's way: one of them fails. So that is left to whoever asks first. */
function storeIsMade({ store, cwd = process.cwd() }: BuildRequest): boolean {
  const daemon = chooseStore(store, cwd)?.daemon;
  if (daemon?.socketPath !== undefined) return false;
  const own = daemon?.ownStore;
  const state = own === undefined ? process.env["NIX_STATE_DIR"] || "/nix/var/nix" : join(own, "nix/var/nix");
  // Nix writes this last.
  return existsSync(join(state, "db/schema"));
}
