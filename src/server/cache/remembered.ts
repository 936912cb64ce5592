import type { BuildId } from "../../lib/ids.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { StorePath } from "../../nix/store-path.ts";

/** What is known of the closures of a build's outputs. */
export interface Remembered {
  readonly byOutput: Map<StorePath, readonly PathInfo[]>;
  readonly all: Map<StorePath, PathInfo>;
}

/** How much is remembered. */
export interface MemoryLimits {
  /** Infos of all builds: some 1 KiB each. */
  readonly infos: number;
  readonly builds: number;
  /** How long after it was last used, in milliseconds. */
  readonly time: number;
}

const LIMITS: MemoryLimits = { infos: 400_000, builds: 256, time: 600_000 };

/** The closures of the builds that asked last, for a while: a builder with nothing to do needs no memory for them. */
export class RememberedClosures {
  readonly #limits: MemoryLimits;
  /** Those used last at the end. */
  readonly #known = new Map<BuildId, { readonly closures: Remembered; usedAt: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Partial<MemoryLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  get size(): number {
    return this.#known.size;
  }

  /** Those of a build; what is put into them is remembered. */
  of(id: BuildId): Remembered {
    const known = this.#known.get(id) ?? { closures: { byOutput: new Map(), all: new Map() }, usedAt: 0 };
    known.usedAt = performance.now();
    this.#known.delete(id);
    this.#known.set(id, known);
    this.#makeRoom(id);
    this.#timer ??= setTimeout(() => this.#expire(), this.#limits.time).unref();
    return known.closures;
  }

  #makeRoom(newest: BuildId): void {
    let infos = [...this.#known.values()].reduce((sum, { closures }) => sum + closures.all.size, 0);
    for (const [oldest, { closures }] of this.#known) {
      if ((infos <= this.#limits.infos && this.#known.size <= this.#limits.builds) || oldest === newest) break;
      this.#known.delete(oldest);
      infos -= closures.all.size;
    }
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [id, { usedAt }] of this.#known) {
      const left = this.#limits.time - (now - usedAt);
      if (left > 0) {
        this.#timer = setTimeout(() => this.#expire(), left).unref();
        break;
      }
      this.#known.delete(id);
    }
  }
}
