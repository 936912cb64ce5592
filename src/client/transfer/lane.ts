import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CacheFetchBegin, CacheFetchItemSchema } from "../../../gen/drvthru/v1/cache_pb.js";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import { TAIL } from "../../lib/protocol.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Carrier } from "../connection/carrier.ts";
import type { Services } from "../connection/services.ts";
import { isLost, toFailure } from "../errors.ts";
import { malformed, toNumber } from "../wire.ts";
import type { Meter } from "./meter.ts";
import type { Part } from "./nar-parts.ts";
import { guardStall, type StallGuard } from "./stall.ts";

/** What a fetch stream needs. */
export interface LaneContext {
  readonly carrier: Carrier;
  readonly build: BuildId;
  readonly meter: Meter;
  readonly signal: AbortSignal;
}

/** Paths asked for in one message. */
const BATCH = 1024;
/** How often a builder may begin a path anew that has begun over the same call. */
const MAX_RESTARTS = 16;
/** Pieces of messages that are kept for going on. */
const MAX_PIECES = 8;
const DOING = "fetching outputs";

/** The call of the moment. */
interface Call {
  readonly services: Services;
  readonly parts: AsyncGenerator<Part, undefined>;
  readonly guard: StallGuard;
  /** What was asked for before anybody waited for it. */
  first: Promise<IteratorResult<Part, undefined>> | undefined;
}

/**
 * One fetch stream: these paths in this order, over one call of `Fetch`, and where its connection breaks over another one that goes on behind the
 * bytes which are here.
 */
export class Lane implements Disposable {
  readonly #context: LaneContext;
  readonly #infos: readonly PathInfo[];
  #call: Call | undefined;
  /** The path that comes, and what has come of its file. */
  #at = 0;
  #received = 0;
  /** The end of that, {@link TAIL} bytes at the least where there are as many. */
  #tail: Uint8Array[] = [];
  /** A path is to begin now, or to go on over a new call. */
  #expected = true;
  #restarts = 0;

  constructor(context: LaneContext, infos: readonly PathInfo[]) {
    this.#context = context;
    this.#infos = infos;
  }

  /** Begins the call, so that the builder sends ahead of whoever reads. Its failure is met when its turn comes. */
  async begin(): Promise<void> {
    if (this.#infos.length > 0) this.#call ??= this.#open(await this.#context.carrier.services(this.#context.signal));
  }

  /** The next piece. A `begin` amid a path says that its file begins anew. `undefined` at the end of the stream. */
  async next(): Promise<Part | undefined> {
    for (;;) {
      const part = await this.#part();
      if (part?.case === "begin" && this.#begins(part.value)) continue;
      if (part?.case === "data") this.#receives(part.value);
      if (part?.case === "end") this.#ends();
      return part;
    }
  }

  /** True for one that says nothing new. */
  #begins({ path, offset }: CacheFetchBegin): boolean {
    const info = this.#infos[this.#at];
    if (path !== info?.path) throw malformed(`something else than ${info?.path ?? "the end"}`);
    if (!this.#expected && ++this.#restarts > MAX_RESTARTS) throw malformed(`${path} again and again`);
    const goesOn = this.#expected && this.#received > 0 && toNumber(offset) === this.#received;
    if (!goesOn && offset > 0n) throw malformed(`${path} from an offset that nobody asked for`);
    this.#expected = false;
    if (goesOn) return true;
    this.#received = 0;
    this.#tail = [];
    return false;
  }

  #receives(bytes: Uint8Array): void {
    this.#context.meter.addWireBytes(bytes.length);
    this.#received += bytes.length;
    this.#tail.push(bytes);
    let length = this.#tail.reduce((sum, piece) => sum + piece.length, 0);
    for (let [first] = this.#tail; first && length - first.length >= TAIL; [first] = this.#tail) {
      this.#tail.shift();
      length -= first.length;
    }
    // A piece holds the message that it came in, however little of that it is.
    if (this.#tail.length > MAX_PIECES) this.#tail = [Buffer.concat(this.#tail)];
  }

  #ends(): void {
    this.#at += 1;
    this.#received = 0;
    this.#tail = [];
    this.#restarts = 0;
    this.#expected = true;
  }

  async #part(): Promise<Part | undefined> {
    for (;;) {
      const call = this.#call ?? this.#open(await this.#context.carrier.services(this.#context.signal));
      this.#call = call;
      try {
        const { first } = call;
        call.first = undefined;
        // While the store here takes what has come, nothing needs to move.
        return (await (first ?? call.guard.during(call.parts.next()))).value;
      } catch (error) {
        const failure = toFailure(error, DOING);
        this.#drop();
        if (this.#context.signal.aborted || !isLost(failure)) throw failure;
        this.#context.carrier.lose(call.services, failure);
      }
    }
  }

  #open(services: Services): Call {
    const guard = guardStall(DOING, this.#context.signal);
    const parts = this.#parts(services, guard);
    this.#expected = true;
    const first = guard.during(parts.next());
    first.catch(() => undefined);
    return { services, parts, guard, first };
  }

  async *#parts({ cache }: Services, guard: StallGuard): AsyncGenerator<Part, undefined> {
    for await (const message of cache.fetch(requests(this.#context.build, this.#wanted()), { signal: guard.signal })) {
      // A builder that is busy with others says nothing for long but that it lives.
      if (message.parts.length === 0) guard.moved();
      for (const { part } of message.parts) yield part;
    }
  }

  #wanted(): Item[] {
    const [first, ...others] = this.#infos.slice(this.#at).map(({ path }) => ({ path }));
    if (first === undefined) return [];
    if (this.#received === 0) return [first, ...others];
    const hash = createHash("sha256").update(Buffer.concat(this.#tail).subarray(-TAIL));
    return [{ ...first, offset: BigInt(this.#received), tailHash: Uint8Array.from(hash.digest()) }, ...others];
  }

  #drop(): void {
    this.#call?.guard[Symbol.dispose]();
    this.#call = undefined;
  }

  [Symbol.dispose](): void {
    this.#drop();
  }
}

type Item = MessageInitShape<typeof CacheFetchItemSchema>;

async function* requests(build: BuildId, items: readonly Item[]) {
  for (let at = 0; at < items.length; at += BATCH) {
    const batch = items.slice(at, at + BATCH);
    yield at === 0 ? { buildId: idToBytes(build), items: batch } : { items: batch };
  }
}
