import { BuildOutcome } from "../../../gen/drvthru/v1/build_pb.js";
import { cleanText } from "../../lib/terminal.ts";
import type { BuildStatus, TargetOutcome } from "../../nix/store.ts";
import { parseStorePath, type StorePath } from "../../nix/store-path.ts";

/** Whether a build status of Nix is a success. */
export function isSuccess(status: BuildStatus): boolean {
  return (
    status === "built" ||
    status === "substituted" ||
    status === "already-valid" ||
    status === "resolves-to-already-valid"
  );
}

/**
 * How a target ended. Nix's status tells most. A wrong hash is "output-rejected", as are some other faults of an output, and a target whose dependency
 * failed says only that; so for these two alone Nix's own words decide, and where they do not match it is a plain failure.
 */
function outcomeOf({ status, message }: TargetOutcome): BuildOutcome {
  if (isSuccess(status)) return BuildOutcome.BUILT;
  if (status === "timed-out") return BuildOutcome.TIMED_OUT;
  if (status === "not-deterministic") return BuildOutcome.NOT_DETERMINISTIC;
  if (status === "output-rejected" && /hash mismatch/.test(message)) return BuildOutcome.HASH_MISMATCH;
  return BuildOutcome.FAILED;
}

/** A derivation that failed itself. */
interface FailedDerivation {
  readonly drv: StorePath;
  readonly outcome: BuildOutcome;
  readonly message: string;
}

/** Most derivations that are named, and the longest of what Nix says of one. */
const MAX_FAILURES = 64;
const MAX_MESSAGE = 4 * 1024;
/** The first derivation in an error of Nix, which may go on with its outputs. */
const DERIVATION = /'(\/nix\/store\/[0-9a-z]{32}-[0-9A-Za-z+._?=-]+\.drv)['!^*]/;

/** An output that is what an error of Nix is about. */
const OUTPUT = /^error:\s*(?:output|path) '(\/nix\/store\/[0-9a-z]{32}-[0-9A-Za-z+._?=-]+)'/;

/** What Nix said beside the results: which derivations failed, and why. Of a target whose dependency failed the results say no more than that. */
export class Failures {
  readonly #found = new Map<StorePath, FailedDerivation>();
  readonly #outputs = new Map<StorePath, Omit<FailedDerivation, "drv">>();
  #hashMismatch = false;
  #timedOut = false;

  /** Takes a message of Nix, never a line of a build's own log. `begun`: the derivations that it has begun to build. */
  note(text: string, begun: ReadonlySet<StorePath>): void {
    const outcome = outcomeOfText(text);
    if (outcome === BuildOutcome.HASH_MISMATCH) this.#hashMismatch = true;
    if (outcome === BuildOutcome.TIMED_OUT) this.#timedOut = true;
    const message = cleanText(text, MAX_MESSAGE);
    if (!/^error:/.test(message)) return;
    const failure = { outcome, message: message.replace(/^error:\s*/, "") };
    const drv = parseStorePath(DERIVATION.exec(message)?.[1] ?? "");
    const output = drv === undefined ? parseStorePath(OUTPUT.exec(message)?.[1] ?? "") : undefined;
    if (output !== undefined && this.#outputs.size < MAX_FAILURES) this.#outputs.set(output, failure);
    // One that was not begun has only failed because of another.
    if (drv !== undefined && begun.has(drv)) this.#add({ drv, ...failure });
  }

  /** Outputs of which Nix said that they failed, and not of which derivation they are. */
  get outputs(): ReadonlyMap<StorePath, unknown> {
    return this.#outputs;
  }

  /** This output is that of this derivation. */
  made(output: StorePath, drv: StorePath): void {
    const failure = this.#outputs.get(output);
    if (failure !== undefined) this.#add({ drv, ...failure });
    this.#outputs.delete(output);
  }

  #add(failure: FailedDerivation): void {
    if (this.#found.has(failure.drv) || this.#found.size >= MAX_FAILURES) return;
    this.#found.set(failure.drv, failure);
  }

  /** Those that failed themselves and are no targets: Nix tells of these in the results. */
  besides(targets: readonly StorePath[]): FailedDerivation[] {
    return [...this.#found.values()].filter(({ drv }) => !targets.includes(drv));
  }

  /** How a target whose dependency failed ended, as well as can be told. */
  refine(target: TargetOutcome): BuildOutcome {
    const outcome = outcomeOf(target);
    if (outcome !== BuildOutcome.FAILED || target.status !== "dependency-failed") return outcome;
    if (this.#timedOut) return BuildOutcome.TIMED_OUT;
    return this.#hashMismatch ? BuildOutcome.HASH_MISMATCH : outcome;
  }
}

function outcomeOfText(text: string): BuildOutcome {
  if (/hash mismatch in fixed-output derivation/.test(text)) return BuildOutcome.HASH_MISMATCH;
  return /timed out after \d+ seconds/.test(text) ? BuildOutcome.TIMED_OUT : BuildOutcome.FAILED;
}

/** How a build ended whose targets ended so. The first that one of them has, in this order. */
export function overallOutcome(targets: readonly BuildOutcome[]): BuildOutcome {
  const order = [
    BuildOutcome.TIMED_OUT,
    BuildOutcome.HASH_MISMATCH,
    BuildOutcome.FAILED,
    BuildOutcome.NOT_DETERMINISTIC,
  ];
  return order.find(outcome => targets.includes(outcome)) ?? BuildOutcome.BUILT;
}
