import { statfs } from "node:fs/promises";
import type { Entries } from "./entries.ts";
import type { Fill } from "./fill.ts";
import type { Keeper } from "./keeper.ts";
import { NoRoom } from "./source.ts";

/** What takes room, and what can give it. */
export interface Held {
  readonly folder: string;
  readonly entries: Entries;
  readonly fills: ReadonlyMap<string, Pick<Fill, "size" | "whole">>;
  readonly keeper: Pick<Keeper, "remove">;
}

/** What is left free on the disk: Nix builds on it. A share of it, and no more than so many bytes. */
const FREE = { share: 0.05, most: 1024 ** 3 };
/** Bytes after which a fill looks again how full the disk is. */
const STEP = 16 * 1024 * 1024;
/** Milliseconds after which a fill that begins does. */
const SHORT = 100;

/** Keeps a cache within its limit and the disk from being full: the least recently used goes first, nothing that somebody reads. */
export class CacheRoom {
  readonly #held: Held;
  readonly #maxBytes: number;
  #looked = Number.NEGATIVE_INFINITY;
  /** Entries and fills have no more bytes than this together. */
  #atMost = Number.POSITIVE_INFINITY;

  constructor(held: Held, maxBytes: number = Number.POSITIVE_INFINITY) {
    this.#held = held;
    this.#maxBytes = maxBytes;
  }

  /** A fill grows from so many bytes by so many: what was not used for the longest time goes until they fit. Throws {@link NoRoom}. */
  async grow(before: number, bytes: number): Promise<void> {
    try {
      await this.make(bytes);
      // The disk is asked now and then alone: a thousand small paths must not ask a thousand times.
      const now = performance.now();
      const begins = before === 0 && now - this.#looked > SHORT;
      const looks = begins || Math.floor(before / STEP) !== Math.floor((before + bytes) / STEP);
      if (looks) this.#looked = now;
      while (looks && (await this.#isNearlyFull())) await this.#removeOldest();
    } catch (cause) {
      throw cause instanceof NoRoom ? cause : new NoRoom("the cache cannot make room", { cause });
    }
  }

  /** Makes room for so many bytes, as far as the limit goes. Throws likewise. */
  async make(bytes: number): Promise<void> {
    // Counted anew where they may be too many: a thousand small paths that fill at once must not count each other a thousand times.
    while (this.#atMost + bytes > this.#maxBytes) {
      this.#atMost = this.#held.entries.bytes + this.#filling();
      if (this.#atMost + bytes > this.#maxBytes) await this.#removeOldest();
    }
    this.#atMost += bytes;
  }

  /** Bytes of fills that are not among the entries yet. */
  #filling(): number {
    let bytes = 0;
    for (const { size, whole } of this.#held.fills.values()) {
      if (whole === undefined || !this.#held.entries.hasFile(whole.fileHash)) bytes += size;
    }
    return bytes;
  }

  async #removeOldest(): Promise<void> {
    const oldest = this.#held.entries.oldest();
    if (oldest === undefined) throw new NoRoom("everything in the cache is in use, or it is too small");
    await this.#held.keeper.remove(oldest);
  }

  async #isNearlyFull(): Promise<boolean> {
    const { bavail, blocks, bsize } = await statfs(this.#held.folder);
    return bavail * bsize - STEP < Math.min(FREE.most, blocks * bsize * FREE.share);
  }
}
