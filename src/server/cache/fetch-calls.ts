import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { refuse } from "../refusal.ts";

/** How many calls of Fetch may be under way. */
export interface FetchCallLimits {
  readonly maxFetchCalls: number;
  readonly maxFetchCallsOfOwner: number;
}

/** Counts calls of Fetch. Those too many are refused, not kept waiting: a client that reads its streams in turns would wait for itself. */
export class FetchCalls {
  readonly #limits: FetchCallLimits;
  readonly #ofOwner = new Map<string, number>();
  #all = 0;

  constructor(limits: FetchCallLimits) {
    this.#limits = limits;
  }

  /** Gives what ends the call. Throws a refusal. */
  enter(owner: string): () => void {
    const own = this.#ofOwner.get(owner) ?? 0;
    const { maxFetchCalls, maxFetchCallsOfOwner } = this.#limits;
    const most = own >= maxFetchCallsOfOwner ? maxFetchCallsOfOwner : maxFetchCalls;
    if (own >= maxFetchCallsOfOwner || this.#all >= maxFetchCalls) throw tooMany(most);
    this.#ofOwner.set(owner, own + 1);
    this.#all += 1;
    return () => {
      const left = (this.#ofOwner.get(owner) ?? 1) - 1;
      if (left === 0) this.#ofOwner.delete(owner);
      else this.#ofOwner.set(owner, left);
      this.#all -= 1;
    };
  }
}

function tooMany(most: number) {
  return refuse(Reason.LIMIT, Code.ResourceExhausted, `the builder has ${most} downloads under way and takes no more`, {
    subject: String(most),
    fix: "try again in a moment, with fewer streams (--nar-fetches)",
  });
}
