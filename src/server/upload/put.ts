import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { UploadPutRequest, UploadPutResponseSchema, UploadPutStart } from "../../../gen/drvthru/v1/upload_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import type { PublicKey } from "../../nix/signing-key.ts";
import type { NarItem } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { ownerKey } from "../../tickets/use.ts";
import type { LiveBuild } from "../build/live-build.ts";
import { Channel } from "../channel.ts";
import { refusalOf } from "../faults.ts";
import { MAX_BATCH, malformed, pathInfoFromWire } from "../path-infos.ts";
import { refuse } from "../refusal.ts";
import type { Stores } from "../stores.ts";
import { decoded, type Piece } from "./decode.ts";
import type { Named } from "./named-paths.ts";
import { NarFeed } from "./nar-feed.ts";
import type { Transfer, Transfers } from "./transfers.ts";

const MAX_DATA = 256 * 1024;
/** Pieces of the encoded stream between network and decoder. */
const ENCODED_PIECES = 2;
/** Registered paths that wait to be told. */
const MAX_UNTOLD = 16_384;

/** What a Put stream works with. */
export interface PutContext {
  readonly stores: Stores;
  readonly transfers: Transfers;
  readonly trustedKeys: readonly PublicKey[];
  /** How long a path waits for its references on other streams of the build, in milliseconds. */
  readonly referenceTime: number;
  /** How long a stream may hold a conversation with the daemon and neither send a path nor take an acknowledgement, in milliseconds. */
  readonly idleTime: number;
}

/**
 * Receives NARs for a build and adds them to the store while they come: no file between, never a whole archive in memory. Acknowledges each path when
 * it is registered. Whatever goes wrong ends the stream and its daemon connection, and with it the daemon's lock on the path in transfer.
 */
export async function* put(
  start: UploadPutStart,
  requests: AsyncIterator<UploadPutRequest>,
  build: LiveBuild,
  context: PutContext,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof UploadPutResponseSchema>> {
  const stop = new AbortController();
  const transfer = context.transfers.watch(refusal => stop.abort(refusal));
  const stream = new PutStream(build, context, transfer, AbortSignal.any([signal, build.ended, stop.signal]));
  const work = stream.run(start, requests);
  try {
    for (let paths = await stream.registered.take(MAX_BATCH); paths; paths = await stream.registered.take(MAX_BATCH)) {
      yield { registered: paths };
    }
    await work;
  } finally {
    stop.abort(new Error("the upload has ended"));
    await work.catch(() => undefined);
    transfer.close();
  }
}

/** The tasks of one stream: they end together, with the first error. */
class PutStream {
  readonly registered = new Channel<StorePath>(MAX_UNTOLD);
  readonly #build: LiveBuild;
  readonly #context: PutContext;
  readonly #transfer: Transfer;
  readonly #signal: AbortSignal;
  readonly #encoded = new Channel<Piece>(ENCODED_PIECES);
  readonly #feed: NarFeed;

  constructor(build: LiveBuild, context: PutContext, transfer: Transfer, signal: AbortSignal) {
    this.#build = build;
    this.#context = context;
    this.#transfer = transfer;
    this.#signal = signal;
    this.#feed = new NarFeed(build.inputs, transfer, context.referenceTime);
  }

  async run(start: UploadPutStart, requests: AsyncIterator<UploadPutRequest>): Promise<void> {
    const abort = () => this.#fail(this.#signal.reason);
    this.#signal.addEventListener("abort", abort, { once: true });
    try {
      // The peer may be silent for ever: its messages are awaited by nobody else.
      this.#receive(requests).catch(error => this.#fail(error));
      await Promise.all([this.#cut(start).catch(error => this.#fail(error)), this.#add()]);
      this.registered.end();
    } catch (error) {
      this.#fail(this.#signal.aborted ? this.#signal.reason : error);
    } finally {
      this.#signal.removeEventListener("abort", abort);
    }
  }

  #fail(cause: unknown): void {
    const error = refusalOf(cause);
    this.#encoded.fail(error);
    this.#feed.fail(error);
    this.registered.fail(error);
  }

  async #receive(requests: AsyncIterator<UploadPutRequest>): Promise<void> {
    for (let next = await requests.next(); !next.done; next = await requests.next()) {
      const { part } = next.value;
      if (part.case === "data") {
        if (part.value.length === 0 || part.value.length > MAX_DATA) throw malformed("a piece has 1 byte to 256 KiB");
        await this.#encoded.send(part.value);
      } else if (part.case === "codec") {
        await this.#encoded.send(part.value);
      } else if (part.case === "paths") {
        if (part.value.infos.length > MAX_BATCH) throw malformed(`at most ${MAX_BATCH} paths are in a message`);
        this.#feed.announce(await this.#name(part.value.infos.map(pathInfoFromWire)));
      } else {
        throw malformed("after the start of a Put stream come paths, data and codecs");
      }
    }
    this.#encoded.end();
  }

  async #name(infos: readonly PathInfo[]): Promise<Named[]> {
    const { inputs, store } = this.#build;
    if (infos.some(info => !inputs.isNamed(info.path))) {
      await store.use(store => inputs.name(infos, this.#context.trustedKeys, store));
    }
    return infos.map(info => inputs.same(info));
  }

  async #cut(start: UploadPutStart): Promise<void> {
    for await (const bytes of decoded(start.codec, this.#encoded)) await this.#feed.feed(bytes, this.#signal);
    this.#feed.end();
  }

  async #add(): Promise<void> {
    if (!(await this.#feed.items.ready())) return;
    await this.#context.stores.use(
      this.#signal,
      async store => {
        for await (const path of store.add(this.#items())) {
          this.#build.inputs.present(path);
          this.#transfer.done(path);
          await this.#inTime(this.registered.send(path));
        }
      },
      ownerKey(this.#build.owner),
    );
  }

  async *#items(): AsyncGenerator<NarItem> {
    for (;;) {
      const taken = await this.#inTime(this.#feed.items.take(1));
      if (taken === undefined) return;
      yield* taken;
    }
  }

  /** For what the peer must do while a conversation with the daemon is held for it: there are few, and others wait for theirs. */
  async #inTime<T>(wait: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#fail(idle()), this.#context.idleTime);
    try {
      return await wait;
    } finally {
      clearTimeout(timer);
    }
  }
}

function idle() {
  return refuse(Reason.UPLOAD_STALLED, Code.Aborted, "an upload stream stood still and was dropped", {
    fix: "send the rest again",
  });
}

/** Counts a build's Put streams. Throws a refusal if there are too many; else returns what ends the counting. */
export function enterPut(build: LiveBuild, most: number): () => void {
  if (build.putStreams >= most) {
    throw refuse(Reason.LIMIT, Code.ResourceExhausted, `a build has at most ${most} upload streams`, {
      subject: String(most),
    });
  }
  build.putStreams += 1;
  return () => {
    build.putStreams -= 1;
  };
}
