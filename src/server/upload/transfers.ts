import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { StorePath } from "../../nix/store-path.ts";
import { refuse } from "../refusal.ts";

/** How long an upload may bring no byte, in milliseconds. */
export interface StallLimits {
  readonly stallTime: number;
  /** While somebody else waits for the same path. */
  readonly contestedStallTime: number;
}

/** Bytes a second that an upload must bring while somebody else waits for its path: less is a trickle that would hold it for hours. */
const LEAST_RATE = 8 * 1024;

/**
 * The uploads under way. Nix locks a path from the first byte of its NAR to the last, so one that brings nothing holds up everybody who needs that
 * path: it is dropped after a while, and soon if another upload wants the path.
 */
export class Transfers {
  readonly #limits: StallLimits;
  readonly #wanted = new Map<StorePath, Set<Transfer>>();

  constructor(limits: StallLimits) {
    this.#limits = limits;
  }

  /** Begins to watch an upload stream. `drop` is called at most once, with the refusal. */
  watch(drop: (refusal: unknown) => void): Transfer {
    return new Transfer(this.#limits, this.#wanted, drop);
  }
}

/** One upload stream, as far as others care. */
export class Transfer {
  readonly #limits: StallLimits;
  readonly #wanted: Map<StorePath, Set<Transfer>>;
  readonly #drop: (refusal: unknown) => void;
  readonly #wants = new Set<StorePath>();
  /** How long was waited for how much, since others began to wait for the path or since that was last looked at. */
  #pace: { readonly path: StorePath; waited: number; bytes: number } | undefined;
  #waiting: { readonly path: StorePath; readonly since: number; timer: NodeJS.Timeout } | undefined;

  constructor(limits: StallLimits, wanted: Map<StorePath, Set<Transfer>>, drop: (refusal: unknown) => void) {
    this.#limits = limits;
    this.#wanted = wanted;
    this.#drop = drop;
  }

  /** The stream will send this path: whoever sits on it now has less time. */
  want(path: StorePath): void {
    this.#wants.add(path);
    const others = this.#wanted.get(path) ?? new Set();
    this.#wanted.set(path, others.add(this));
    for (const other of others) if (other !== this) other.#contested(path);
  }

  /** The path is registered. */
  done(path: StorePath): void {
    this.#wants.delete(path);
    const others = this.#wanted.get(path);
    others?.delete(this);
    if (others?.size === 0) this.#wanted.delete(path);
  }

  /** The path is locked and its next byte has not come. */
  wait(path: StorePath): void {
    const contested = (this.#wanted.get(path)?.size ?? 0) > 1;
    const time = contested ? this.#limits.contestedStallTime : this.#limits.stallTime;
    if (contested && this.#trickles(path)) {
      this.#dropFor(path);
      return;
    }
    this.#waiting = { path, since: performance.now(), timer: this.#timer(path, time) };
  }

  /** So many bytes have come, or the store is busy. */
  progress(bytes = 0): void {
    if (this.#pace !== undefined) {
      this.#pace.bytes += bytes;
      if (this.#waiting !== undefined) this.#pace.waited += performance.now() - this.#waiting.since;
    }
    clearTimeout(this.#waiting?.timer);
    this.#waiting = undefined;
  }

  #trickles(path: StorePath): boolean {
    const pace = this.#pace?.path === path ? this.#pace : undefined;
    if (pace !== undefined && pace.waited < this.#limits.contestedStallTime) return false;
    this.#pace = { path, waited: 0, bytes: 0 };
    return pace !== undefined && pace.bytes * 1000 < pace.waited * LEAST_RATE;
  }

  /** The stream has ended. */
  close(): void {
    this.progress();
    for (const path of this.#wants) this.done(path);
  }

  #contested(path: StorePath): void {
    if (this.#waiting?.path !== path) return;
    clearTimeout(this.#waiting.timer);
    const waited = performance.now() - this.#waiting.since;
    this.#waiting.timer = this.#timer(path, Math.max(0, this.#limits.contestedStallTime - waited));
  }

  #timer(path: StorePath, milliseconds: number): NodeJS.Timeout {
    const stalled = () => {
      this.#waiting = undefined;
      this.#dropFor(path);
    };
    return setTimeout(stalled, milliseconds);
  }

  #dropFor(path: StorePath): void {
    this.#drop(
      refuse(Reason.UPLOAD_STALLED, Code.Aborted, `the upload of ${path} stalled and was dropped`, {
        subject: path,
        fix: "send it again",
      }),
    );
  }
}
