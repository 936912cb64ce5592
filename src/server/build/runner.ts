import type { Logger } from "pino";
import { BuildOutcome } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { Failure } from "../../lib/failure.ts";
import type { BuildSettings } from "../../nix/settings.ts";
import type { DerivedPath, Store, StoreBuildOptions, StoreEvent, TargetOutcome } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { BuiltPaths } from "../cache/built-paths.ts";
import { builderFault } from "../faults.ts";
import type { Stores } from "../stores.ts";
import { buildOptions } from "./build-options.ts";
import { keptFolder } from "./differences.ts";
import { isDiskFull } from "./disk-full.ts";
import { brokenBy } from "./endings.ts";
import type { KeptFolders } from "./kept-folders.ts";
import type { LiveBuild } from "./live-build.ts";
import { Failures, isSuccess, overallOutcome } from "./outcome.ts";
import { ReadyOutputs } from "./ready-outputs.ts";
import { buildAgain } from "./rebuild.ts";
import type { Ending, TargetEnding } from "./record.ts";
import type { Target } from "./request.ts";
import type { Roots } from "./roots.ts";
import { Translator } from "./translate.ts";

/** What a run needs beside its build. */
export interface RunParts {
  readonly queries: Stores;
  readonly roots: Roots;
  readonly built: BuiltPaths;
  readonly keptFolders: KeptFolders;
  readonly building: BuildSettings;
  readonly log: Pick<Logger, "warn">;
}

/** Derivations of which is asked whether what failed is theirs. */
const MOST_ASKED = 1_024;

/** The longest that a timer of Node can wait. */
const MAX_TIMER = 2 ** 31 - 1;

/** Builds, from slot to result, and says how it ended. The outputs that it made are protected and told. Never throws. */
export async function runBuild(build: LiveBuild, parts: RunParts): Promise<Ending> {
  const run = new Run(build, parts);
  const seconds = build.maxBuildSeconds;
  const timer = seconds === undefined ? undefined : setTimeout(() => run.expire(), Math.min(seconds * 1000, MAX_TIMER));
  try {
    const outcomes = await build.store.use(store => run.build(store));
    await run.keep();
    return await run.ending(outcomes);
  } catch (error) {
    return await run.broken(error);
  } finally {
    clearTimeout(timer);
  }
}

class Run {
  readonly #build: LiveBuild;
  readonly #parts: RunParts;
  readonly #translator = new Translator();
  readonly #failures = new Failures();
  readonly #ready: ReadyOutputs;
  readonly #builtDrvs = new Set<StorePath>();
  /** Those of them whose outputs are noted. */
  readonly #noted = new Set<StorePath>();
  #expired = false;

  constructor(build: LiveBuild, parts: RunParts) {
    this.#build = build;
    this.#parts = parts;
    this.#ready = new ReadyOutputs(build, parts.queries, store => this.#noteBuilt(store));
  }

  /** The time is over. */
  expire(): void {
    this.#expired = true;
    this.#build.store.close();
  }

  async build(store: Store): Promise<TargetOutcome[]> {
    const { targets, keepGoing, rebuild } = this.#build.request;
    const options = { keepGoing, ...buildOptions(this.#parts.building, this.#build.maxBuildSeconds) };
    const wanted = targets.map(({ drv, outputs }) => ({ drv, outputs: [...outputs.keys()] }));
    const run = (what: readonly DerivedPath[], more: StoreBuildOptions) =>
      store.build(what, { ...options, ...more }, event => this.#hear(event));
    // What is to be compared and was never built here is built first.
    const first = await run(wanted, {});
    if (!rebuild || (!keepGoing && first.some(failed))) return first;
    const good = wanted.filter((_, index) => !failed(first[index]));
    if (good.length === 0) return first;
    const told = await buildAgain(good, this.#build, { ...this.#parts, run });
    const byDrv = new Map(told.map(outcome => [outcome.drv, outcome]));
    return first.map(outcome => byDrv.get(outcome.drv) ?? outcome);
  }

  #hear(event: StoreEvent): void {
    if (event.kind === "message") this.#failures.note(event.text, this.#builtDrvs);
    if (event.kind === "message" && this.#isKeptFolder(event.text)) return;
    const path = event.kind === "stop" ? this.#translator.pathOf(event.activity) : undefined;
    const told = this.#translator.translate(event);
    if (told !== undefined) this.#build.events.append(told);
    if (told?.case === "derivationStarted" && !told.value.substituted && told.value.path) {
      this.#builtDrvs.add(told.value.path as StorePath);
    }
    if (path !== undefined && !this.#build.request.rebuild) this.#ready.check(path);
  }

  /** Nix keeps the folder of a second build that differs or failed, and only the machine's owner can remove it. */
  #isKeptFolder(text: string): boolean {
    const folder = this.#build.request.rebuild ? keptFolder(text) : undefined;
    if (folder === undefined) return false;
    this.#parts.log.warn({ build: this.#build.id, folder }, "Nix kept a rebuild's folder");
    this.#parts.keptFolders.note(this.#build.credential, folder);
    return true;
  }

  /** Tells and protects what is valid now, and notes what was built: while the daemon still protects it. */
  async keep(): Promise<void> {
    await this.#ready.checkAll();
    const { queries, roots } = this.#parts;
    await queries.use(this.#build.ended, async store => {
      await roots.keepOutputs(this.#build, store);
      await this.#noteBuilt(store);
    });
  }

  /** Before an output is told: a client asks for it at once. */
  async #noteBuilt(store: Store): Promise<void> {
    const open = [...this.#builtDrvs].filter(drv => !this.#noted.has(drv));
    for (const drv of await this.#parts.built.note(open, store)) this.#noted.add(drv);
  }

  /** Of some failures Nix names only an output. */
  async #findFailed(): Promise<void> {
    if (this.#failures.outputs.size === 0) return;
    const { queries } = this.#parts;
    await queries.use(this.#build.ended, async store => {
      // What failed was begun last.
      const drvs = [...this.#builtDrvs].slice(-MOST_ASKED).reverse();
      const outputs = await store.outputPaths(drvs);
      for (const [index, drv] of drvs.entries()) {
        for (const path of outputs[index]?.values() ?? []) if (path) this.#failures.made(path, drv);
      }
    });
  }

  async ending(outcomes: readonly TargetOutcome[]): Promise<Ending> {
    await this.#findFailed();
    if (await isDiskFull(outcomes)) return brokenBy(new Failure("failed", "nix", "full", { reason: "disk-full" }));
    const byDrv = new Map(outcomes.map(outcome => [outcome.drv, outcome]));
    const targets = this.#build.request.targets.map(target => this.#target(target, byDrv.get(target.drv)));
    const outcome = overallOutcome(targets.map(target => target.outcome));
    const failures = this.#failures.besides(targets.map(target => target.drv));
    // What failed itself says why; what needed it does not.
    const told = [...targets.filter(target => !target.dependencyFailed), ...failures, ...targets];
    const first = told.find(target => target.outcome === outcome && target.message !== "");
    const message = outcome === BuildOutcome.BUILT ? "" : (first?.message ?? "the build failed");
    return { outcome, message, targets, failures, refund: false };
  }

  /** Nix leaves out targets that it gave up because of another's failure; one that was valid already may be among them. */
  #target({ drv, outputs }: Target, told: TargetOutcome | undefined): TargetEnding {
    if (told !== undefined) {
      const message = isSuccess(told.status) ? "" : told.message;
      const dependencyFailed = told.status === "dependency-failed";
      return { drv, outcome: this.#failures.refine(told), message, dependencyFailed };
    }
    const valid = [...outputs.values()].every(path => this.#build.ready.has(path));
    return { drv, outcome: valid ? BuildOutcome.BUILT : BuildOutcome.FAILED, message: "", dependencyFailed: false };
  }

  async broken(error: unknown): Promise<Ending> {
    if (this.#expired) {
      const message = `the build took longer than the ${this.#build.maxBuildSeconds} s it may`;
      return { outcome: BuildOutcome.TIMED_OUT, message, refund: false };
    }
    if (builderFault(error) !== undefined || !(error instanceof Failure) || error.who !== "nix") return brokenBy(error);
    // Nix refused the whole: before anything was built it lacks what the build needs, and no time was spent.
    const begun = this.#builtDrvs.size > 0;
    if (begun) return { outcome: BuildOutcome.FAILED, message: error.message, refund: false };
    return {
      outcome: BuildOutcome.FAILED,
      message: this.#refused(error),
      reason: Reason.CANNOT_BUILD_HERE,
      refund: true,
    };
  }

  #refused({ message }: Failure): string {
    const [first = ""] = message.split("\n");
    // Nix speaks to whoever runs it here, with flags of its own.
    if (!/unable to start any build/i.test(first)) return `the builder's Nix cannot build this: ${message}`;
    const jobs = this.#parts.building.maxJobs === 0 ? "it builds nothing itself (max-jobs = 0), and " : "";
    return `the builder's Nix cannot build this: ${jobs}no other machine takes it (builders)`;
  }
}

function failed(outcome: TargetOutcome | undefined): boolean {
  return outcome === undefined || !isSuccess(outcome.status);
}
