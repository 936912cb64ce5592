import { Failure } from "../../lib/failure.ts";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { Carrier } from "../connection/carrier.ts";
import { isLost, toFailure } from "../errors.ts";
import { createMeter, type Meter } from "../transfer/meter.ts";
import { createChannel } from "./channel.ts";
import { type ImportContext, importOutput } from "./import.ts";
import type { Job, JobDownloads } from "./job.ts";

/** The builder has so many milliseconds to hear that an output was fetched. */
const TELL = 5_000;
/** Paths up to so many bytes of NAR say how they come only where nothing was said yet. */
const NO_NEWS = 1 << 20;

/**
 * Takes outputs of one build into the store here as they become ready, whatever connections come and go meanwhile: an import that has begun waits for
 * the next one, and goes on at the byte where it stood.
 */
export class Downloads implements JobDownloads {
  readonly build: BuildId;
  readonly carrier = new Carrier();
  readonly finished: Promise<void>;
  readonly #job: Job;
  readonly #meter: Meter;
  readonly #scope = new AbortController();
  readonly #told = new Set<StorePath>();
  #codec: "none" | "zstd" | undefined;
  readonly #ready = createChannel<StorePath>({
    limit: Number.POSITIVE_INFINITY,
    droppable: () => false,
    gap: neverDropped,
  });

  constructor(job: Job, build: BuildId) {
    this.build = build;
    this.#job = job;
    this.#meter = createMeter(progress => job.emit({ kind: "download", ...progress }));
    this.finished = this.#run();
    // Whoever converses hears of it; between two connections nobody does.
    this.finished.catch(() => undefined);
  }

  get wireBytes(): number {
    return this.#meter.wireBytes;
  }

  /** Once each: what waits has no other limit than the outputs there are. */
  tell(path: StorePath): void {
    if (!this.#told.has(path)) this.#ready.push(path);
    this.#told.add(path);
  }

  noMore(): void {
    this.#ready.end();
  }

  async stop(reason: unknown): Promise<void> {
    this.#scope.abort(reason);
    this.#ready.end();
    await this.finished.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const told: Promise<void>[] = [];
    for await (const path of this.#ready) {
      await this.#job.ledger.time("download", () => this.#take(path));
      told.push(this.#tellFetched(path));
    }
    await Promise.all(told);
  }

  async #take(path: StorePath): Promise<void> {
    const { bytes, paths } = this.#meter;
    const signal = AbortSignal.any([this.#job.signal, this.#scope.signal]);
    const encoding: ImportContext["encoding"] = (codec, info) => this.#encoding(codec, info.narSize);
    const context = { build: this.build, carrier: this.carrier, meter: this.#meter, encoding, signal };
    try {
      // What breaks here is the store's end of it, or all calls at once: then the whole begins anew with the next connection.
      await this.carrier.through(() => importOutput(this.#job, path, context), "fetching outputs", signal);
    } finally {
      this.#job.ledger.downloaded(this.#meter.paths - paths, this.#meter.bytes - bytes);
    }
  }

  /** Of a thousand small paths each comes in its own way, which is no news. */
  #encoding(codec: "none" | "zstd", size: number): void {
    if (codec === this.#codec || (this.#codec !== undefined && size <= NO_NEWS)) return;
    this.#codec = codec;
    this.#job.emit({ kind: "download-encoding", codec, bytes: this.#meter.bytes });
  }

  /** The builder may forget it earlier then; without that word it keeps it as long as the build. So nobody waits for this, and nothing depends on it. */
  async #tellFetched(output: StorePath): Promise<void> {
    try {
      const { cache } = await this.carrier.services(this.#scope.signal);
      const { signal } = this.#scope;
      await cache.fetched({ buildId: idToBytes(this.build), output }, { timeoutMs: TELL, signal });
    } catch (error) {
      const failure = toFailure(error, "saying what was fetched");
      if (!isLost(failure) && !this.#scope.signal.aborted) {
        this.#job.emit({
          kind: "warning",
          text: `the builder was not told that ${output} is here: ${failure.message}`,
        });
      }
    }
  }
}

function neverDropped(): never {
  throw new TypeError("nothing is left out of a channel without a limit");
}

/** Why a download ended that nobody needs any more. */
export function notNeeded(): Failure {
  return new Failure("cancelled", "this machine", "the download is not needed any more", { reason: "cancelled" });
}
