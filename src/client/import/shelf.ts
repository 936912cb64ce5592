import type { Bytes } from "../../lib/bytes.ts";
import { Permits } from "../../lib/permits.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { type FetchContext, fetchNars } from "../transfer/fetch.ts";

/** Up to this size in bytes a path is fetched ahead: a thousand small paths, each asked for when Nix comes to it, would cost a thousand round trips. */
const SMALL = 128 << 10;
/** Bytes that may wait for Nix before nothing more is fetched ahead. */
const MAX_HELD = 8 << 20;
/** Paths that are fetched on demand at once, where no larger number was asked for. */
const LANES = 4;

/**
 * Brings the NARs that `nix copy` asks for, in whatever order it does, from the builder. Small ones run ahead in the order in which it probably asks,
 * as far as there is room; all others, and small ones that it asks for out of turn, come on demand. Nothing large is ever held.
 */
export class Shelf {
  /** Ends when nothing runs ahead any more. Never rejects: who waited for a path fetches it, and meets the same failure. */
  readonly ended: Promise<void>;
  readonly #context: FetchContext;
  readonly #lanes: Permits;
  /** What runs ahead and is not there yet. */
  readonly #coming = new Set<StorePath>();
  readonly #held = new Map<StorePath, Uint8Array>();
  #bytes = 0;
  /** Nothing more comes before something is taken. */
  #full = false;
  #changed = Promise.withResolvers<void>();

  /** `infos`: in the order in which they are probably asked for. The context's signal ends everything. */
  constructor(context: FetchContext, infos: readonly PathInfo[]) {
    this.#context = { ...context, streams: 1 };
    this.#lanes = new Permits(Math.max(LANES, context.streams));
    const small = infos.filter(info => info.narSize <= SMALL);
    for (const { path } of small) this.#coming.add(path);
    const stopped = () => {
      this.#coming.clear();
      this.#notify();
    };
    this.ended = this.#runAhead(small).then(stopped, stopped);
    context.signal.addEventListener("abort", () => this.#notify(), { once: true });
  }

  /** The bytes of a path, once. Throws what the fetch fails with. */
  async *take(info: PathInfo): Bytes {
    while (this.#coming.has(info.path) && !this.#full) await this.#changed.promise;
    const held = this.#held.get(info.path);
    if (held === undefined) {
      // Out of turn: what comes of it later is thrown away.
      this.#coming.delete(info.path);
      return yield* this.#fetch(info);
    }
    this.#held.delete(info.path);
    this.#bytes -= held.length;
    this.#notify();
    yield held;
  }

  async #runAhead(infos: readonly PathInfo[]): Promise<void> {
    if (infos.length === 0) return;
    for await (const { info, nar } of fetchNars(this.#context, infos)) {
      const bytes = Buffer.concat(await Array.fromAsync(nar));
      if (!this.#coming.delete(info.path)) continue;
      this.#held.set(info.path, bytes);
      this.#bytes += bytes.length;
      this.#notify();
      while (this.#bytes > MAX_HELD) await this.#room();
    }
  }

  async #room(): Promise<void> {
    this.#context.signal.throwIfAborted();
    this.#full = true;
    this.#notify();
    await this.#changed.promise;
    this.#full = false;
  }

  async *#fetch(info: PathInfo): Bytes {
    const leave = await this.#lanes.acquire(this.#context.signal);
    try {
      for await (const item of fetchNars(this.#context, [info])) yield* item.nar;
    } finally {
      leave();
    }
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
