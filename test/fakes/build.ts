import { setTimeout as sleep } from "node:timers/promises";
import type { DerivedPath, StoreBuildOptions, StoreEvent, TargetOutcome } from "../../src/nix/store.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { refused } from "./admit.ts";
import type { FakeNix } from "./nix.ts";

type Ended = Pick<TargetOutcome, "status" | "message">;

const SUCCESS = new Set(["built", "substituted", "already-valid", "resolves-to-already-valid"]);

/** Builds in a {@link FakeNix}: inputs first, one derivation after the other. */
export class FakeBuild {
  readonly #nix: FakeNix;
  readonly #options: StoreBuildOptions;
  readonly #onEvent: (event: StoreEvent) => void;
  readonly #signal: AbortSignal;
  readonly #ended = new Map<StorePath, Ended>();
  readonly #builds = 1n;
  #activity = 1n;
  /** As Nix counts: done, expected, running, failed. */
  readonly #progress = { done: 0n, expected: 0n, running: 0n, failed: 0n };

  constructor(nix: FakeNix, options: StoreBuildOptions, onEvent: (event: StoreEvent) => void, signal: AbortSignal) {
    this.#nix = nix;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#signal = signal;
  }

  async run(targets: readonly DerivedPath[]): Promise<TargetOutcome[]> {
    this.#tell({ kind: "start", activity: this.#builds, type: 104, text: "", fields: [], parent: 0n });
    try {
      return await this.#all(targets);
    } finally {
      this.#tell({ kind: "stop", activity: this.#builds });
    }
  }

  async #all(targets: readonly DerivedPath[]): Promise<TargetOutcome[]> {
    const outcomes: TargetOutcome[] = [];
    let failed = false;
    for (const { drv, outputs } of targets) {
      if (!this.#nix.valid.has(drv)) throw refused(`path '${drv}' is not valid`);
      const skipped = failed && !this.#options.keepGoing;
      const ended: Ended = skipped ? { status: "misc-failure", message: "" } : await this.#realise(drv, outputs);
      failed ||= !SUCCESS.has(ended.status);
      outcomes.push({ drv, ...ended });
    }
    return outcomes;
  }

  async #realise(drv: StorePath, wanted: readonly string[]): Promise<Ended> {
    const before = this.#ended.get(drv);
    if (before) return before;
    const paths = this.#nix.outputsOf(drv);
    const done = wanted.every(name => this.#nix.valid.has(paths.get(name) as StorePath));
    const ended: Ended =
      done && !this.#options.check ? { status: "already-valid", message: "" } : await this.#withInputs(drv);
    this.#ended.set(drv, ended);
    return ended;
  }

  async #withInputs(drv: StorePath): Promise<Ended> {
    for (const [input, outputs] of this.#nix.derivation(drv).inputDerivations) {
      const ended = await this.#realise(input, outputs);
      if (!SUCCESS.has(ended.status)) {
        // As Nix does for what something waited for: the result says nothing of it.
        this.#tell({ kind: "message", text: `\u001b[31;1merror:\u001b[0m ${ended.message}` });
        return { status: "dependency-failed", message: `1 dependencies of derivation '${drv}' failed to build` };
      }
    }
    return this.#build(drv);
  }

  async #build(drv: StorePath): Promise<Ended> {
    const activity = ++this.#activity;
    const paths = this.#nix.outputsOf(drv);
    const made = new Map<string, { content: string; references: readonly StorePath[] }>();
    const result = (type: number, text: string) => this.#tell({ kind: "result", activity, type, fields: [text] });
    this.#tell({
      kind: "start",
      activity,
      type: 105,
      text: `building '${drv}'`,
      fields: [drv, "", 1n, 1n],
      parent: 0n,
    });
    this.#count({ expected: 1n, running: 1n });
    const script = this.#nix.scripts.get(drv);
    const ended = await script?.({
      signal: this.#signal,
      log: line => result(101, line),
      phase: name => result(104, name),
      say: text => this.#tell({ kind: "message", text }),
      sleep: milliseconds => sleep(milliseconds, undefined, { signal: this.#signal }),
      produce: (output, content, references = []) => made.set(output, { content, references }),
    });
    this.#tell({ kind: "stop", activity });
    const failed = ended !== undefined && !SUCCESS.has(ended.status);
    this.#count({ running: -1n, ...(failed ? { failed: 1n } : { done: 1n }) });
    if (failed) return ended;
    for (const [name, path] of paths) {
      const { content = drv, references = [] } = made.get(name) ?? {};
      if (path) this.#nix.produced(drv, path, content, references);
    }
    return ended ?? { status: "built", message: "" };
  }

  #count(change: Partial<Record<"done" | "expected" | "running" | "failed", bigint>>): void {
    const counts = this.#progress;
    for (const name of ["done", "expected", "running", "failed"] as const) counts[name] += change[name] ?? 0n;
    const fields = [counts.done, counts.expected, counts.running, counts.failed];
    this.#tell({ kind: "result", activity: this.#builds, type: 105, fields });
  }

  #tell(event: StoreEvent): void {
    if (!this.#signal.aborted) this.#onEvent(event);
  }
}
