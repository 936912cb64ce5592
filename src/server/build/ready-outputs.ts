import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Stores } from "../stores.ts";
import type { LiveBuild } from "./live-build.ts";

interface WantedOutput {
  readonly drv: StorePath;
  readonly name: string;
  readonly path: StorePath;
}

/** Finds out which wanted outputs are valid, while the build goes on, and tells each once. */
export class ReadyOutputs {
  readonly #build: LiveBuild;
  readonly #queries: Stores;
  readonly #wanted: readonly WantedOutput[];
  readonly #vouch: (store: Store) => Promise<void>;
  #due = new Set<WantedOutput>();
  #asking: Promise<void> | undefined;

  /** `vouch` does what must be done before anybody may ask for an output. */
  constructor(build: LiveBuild, queries: Stores, vouch: (store: Store) => Promise<void>) {
    this.#build = build;
    this.#queries = queries;
    this.#vouch = vouch;
    this.#wanted = build.request.targets.flatMap(({ drv, outputs }) =>
      [...outputs].map(([name, path]) => ({ drv, name, path })),
    );
  }

  /** Something ended with this derivation or path: its wanted outputs may be valid now. */
  check(path: string): void {
    for (const output of this.#wanted) if (output.drv === path || output.path === path) this.#due.add(output);
    if (this.#due.size > 0) this.#asking ??= this.#ask();
  }

  /** The build has ended: all that is valid is told. Throws what the store throws. */
  async checkAll(): Promise<void> {
    await this.#asking;
    await this.#query(this.#wanted.filter(output => !this.#build.ready.has(output.path)));
  }

  async #ask(): Promise<void> {
    try {
      while (this.#due.size > 0) {
        const due = [...this.#due];
        this.#due = new Set();
        await this.#query(due);
      }
    } catch {
      // Asked again at the end of the build, which then says what is wrong.
      this.#due.clear();
    } finally {
      this.#asking = undefined;
    }
  }

  async #query(outputs: readonly WantedOutput[]): Promise<void> {
    if (outputs.length === 0) return;
    const paths = [...new Set(outputs.map(output => output.path))];
    const valid = await this.#queries.use(this.#build.ended, async store => {
      const there = await store.validPaths(paths);
      if (there.size > 0) await this.#vouch(store);
      return there;
    });
    for (const output of outputs) if (valid.has(output.path)) this.tell(output);
  }

  /** Tells an output that is valid. */
  tell({ drv, name, path }: WantedOutput): void {
    this.#build.ready.add(path);
    this.#build.events.append({ case: "outputReady", value: { drvPath: drv, name, path } });
  }
}
