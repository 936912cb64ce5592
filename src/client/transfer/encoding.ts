import { STRETCH } from "../../lib/stretches.ts";

/** How bytes of an upload travel: as they are, because they do not shrink or because the link is faster than the compressor; or by zstd of a level. */
export type Encoding = "incompressible" | "fast-link" | "zstd-1" | "zstd-3";

/** What became of a stretch. Times in milliseconds. */
export interface Travelled {
  readonly bytes: number;
  readonly wireBytes: number;
  readonly time: number;
  /** Of that, how long the link was waited for, and how long the store. */
  readonly linkTime: number;
  readonly sourceTime: number;
}

/** What shrinks by less than this is not worth the time. */
const WORTH = 0.9;
/** Wire bytes before the link is judged: before that it only fills what lies between. */
const BUFFERED = 16 << 20;
/** A share of the time for which the link holds everything up, and one for which it holds up nothing. */
const LINK_SLOW = 0.5;
const LINK_IDLE = 0.1;
/** The same of the store. */
const SOURCE_SLOW = 0.5;
/** How much faster it must be without the compressor. */
const FASTER = 1.1;
/** Stretches of a trial without the compressor; those before the last ones only fill what lies between. */
const TRIAL = 4;
const TRIAL_FILLS = 2;
/** Stretches after a trial that did not pay, until the next; then twice as many. */
const REST = (64 << 20) / STRETCH;

/**
 * Chooses how each stretch of an upload travels, by how the ones before it did. Where the link holds everything up, more is compressed. Where the compressor does,
 * less; and where even the lowest level does, it is tried without, and stays so for as long as that is faster.
 */
export class EncodingChoice {
  #current: Encoding;
  #wireBytes = 0;
  /** Bytes of NAR in a millisecond with the compressor, when that held everything up. */
  #compressed = 0;
  #trial: Travelled[] = [];
  #rest = 0;
  #nextRest = REST;

  /** `shrinks`: whether the first bytes do. */
  constructor(shrinks: boolean) {
    this.#current = shrinks ? "zstd-1" : "incompressible";
  }

  /** How bytes travel now. */
  get current(): Encoding {
    return this.#current;
  }

  /** A stretch has travelled: how does the next one? `shrinks` says whether its first bytes do. */
  next(done: Travelled, shrinks: () => boolean): Encoding {
    this.#wireBytes += done.wireBytes;
    this.#rest = Math.max(0, this.#rest - 1);
    this.#current = this.#after(done, shrinks);
    return this.#current;
  }

  #after(done: Travelled, shrinks: () => boolean): Encoding {
    if (this.#current === "incompressible") return shrinks() ? "zstd-1" : this.#current;
    if (this.#current === "fast-link") return this.#tried(done);
    if (done.wireBytes > done.bytes * WORTH) return "incompressible";
    if (this.#wireBytes < BUFFERED) return this.#current;
    if (done.linkTime > done.time * LINK_SLOW) return "zstd-3";
    if (done.linkTime > done.time * LINK_IDLE || done.sourceTime > done.time * SOURCE_SLOW) return this.#current;
    if (this.#current === "zstd-3") return "zstd-1";
    if (this.#rest > 0) return this.#current;
    this.#compressed = done.bytes / done.time;
    this.#trial = [];
    return "fast-link";
  }

  #tried(done: Travelled): Encoding {
    this.#trial = [...this.#trial, done].slice(-TRIAL);
    if (this.#trial.length < TRIAL) return "fast-link";
    const counted = this.#trial.slice(TRIAL_FILLS);
    const sum = (of: (part: Travelled) => number) => counted.reduce((total, part) => total + of(part), 0);
    if (sum(part => part.bytes) > sum(part => part.time) * this.#compressed * FASTER) return "fast-link";
    this.#rest = this.#nextRest;
    this.#nextRest *= 2;
    return "zstd-1";
  }
}
