import type { BuildRun } from "./build-run.ts";
import { evaluateAhead } from "./plan/ahead.ts";
import type { BuildRequest } from "./request.ts";

/** Builds on someone else's machine: evaluates here, sends what is missing, builds there, imports the outputs here. Starts at once. */
export function build(request: BuildRequest): BuildRun {
  const nix = evaluateAhead(request);
  // Nix works while this is loaded.
  const run = import("./run/start.ts").then(({ startHere }) => startHere(request, nix.run));
  const result = run.then(({ result }) => result).finally(nix.stop);
  // Who only iterates hears of a failure there; the promise stays to be asked.
  result.catch(() => undefined);
  return {
    result,
    async *[Symbol.asyncIterator]() {
      yield* await run;
    },
  };
}
