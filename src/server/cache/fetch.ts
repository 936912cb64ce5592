import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CacheFetchRequest, CacheFetchResponseSchema } from "../../../gen/drvthru/v1/cache_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import { ownerKey } from "../../tickets/use.ts";
import type { FoundBuild } from "../build/lookup.ts";
import { MAX_BATCH, malformed } from "../path-infos.ts";
import type { Stores } from "../stores.ts";
import { Ahead } from "./ahead.ts";
import type { Closures } from "./closures.ts";
import { compressed, compressedWhole, WHOLE } from "./compress.ts";
import { beginPart, fileParts, type Part, type Sendable, type Wanted, wantedFromWire } from "./file-parts.ts";
import { narOf } from "./nar-of.ts";
import type { OutputCache } from "./output-cache.ts";
import { PIECE, pieces } from "./pieces.ts";
import { NoRoom } from "./source.ts";

type Response = MessageInitShape<typeof CacheFetchResponseSchema>;

/** Bytes after which a message is full. */
const MESSAGE = PIECE;
const MAX_PARTS = 1_000;
/** Milliseconds that a message which is not full waits for more. */
const LINGER = 50;
/** What Fetch works with. */
export interface FetchContext {
  readonly closures: Closures;
  readonly cache: OutputCache;
  /** For what cannot be cached now. */
  readonly downloads: Stores;
  /** An empty message goes to a client that waits for so many milliseconds. */
  readonly keepAlive: number;
}

/** What a call of Fetch has sent, and where it came from. */
export interface Served {
  paths: number;
  bytes: number;
  hits: number;
  fills: number;
  direct: number;
}

interface Call extends FetchContext {
  readonly owner: string;
  readonly served: Served;
  readonly signal: AbortSignal;
}

/** Sends the files that each message asks for, in order, several small ones in a message. `first` is the message that named the build. */
export async function* fetchPaths(
  first: CacheFetchRequest,
  more: AsyncIterator<CacheFetchRequest>,
  found: FoundBuild,
  context: FetchContext & { readonly served: Served },
  signal: AbortSignal,
): AsyncGenerator<Response> {
  const owner = ownerKey("live" in found ? found.live.owner : found.stored.owner);
  const call: Call = { ...context, owner, signal };
  for (let request = first; ; ) {
    if (request.items.length > MAX_BATCH) throw malformed(`at most ${MAX_BATCH} paths are asked for in a message`);
    const wanted = request.items.map(wantedFromWire);
    const infos = await context.closures.infos(
      found,
      wanted.map(item => item.path),
      signal,
    );
    yield* packed(partsOfAll(call, wanted, infos), context.keepAlive);
    const next = await more.next();
    if (next.done) return;
    request = next.value;
  }
}

async function* partsOfAll(
  call: Call,
  wanted: readonly Wanted[],
  infos: readonly PathInfo[],
): AsyncGenerator<Sendable> {
  const ahead = new Ahead(call.cache, infos);
  for (const [index, item] of wanted.entries()) {
    const info = infos[index];
    if (info === undefined) continue;
    await ahead.of(index);
    for await (const sendable of partsOf(call, item, info)) {
      count(call.served, sendable.part);
      yield sendable;
    }
  }
}

async function* partsOf(call: Call, wanted: Wanted, info: PathInfo): AsyncGenerator<Sendable> {
  const { cache, served, signal } = call;
  const source = await cache.open(info);
  if (source === undefined) return yield* straight(call, info);
  let whole = false;
  try {
    yield* fileParts(source, wanted, signal);
    whole = true;
    served[source.how === "hit" ? "hits" : "fills"] += 1;
  } catch (error) {
    if (!(error instanceof NoRoom)) throw error;
    yield* straight(call, info);
  } finally {
    source.close(whole);
  }
}

/** From the store to the client, past the cache. */
async function* straight({ downloads, owner, served, signal }: Call, info: PathInfo): AsyncGenerator<Sendable> {
  yield { part: beginPart(info.path) };
  const compress = info.narSize <= WHOLE ? compressedPiece : compressed;
  for await (const bytes of downloads.each(signal, store => compress(narOf(store, info)), owner)) {
    for (let at = 0; at < bytes.length; at += PIECE) {
      const sent = at + PIECE < bytes.length ? {} : { sent: () => pieces.give(bytes) };
      yield { part: { part: { case: "data", value: bytes.subarray(at, at + PIECE) } }, ...sent };
    }
  }
  yield { part: { part: { case: "end", value: {} } } };
  served.direct += 1;
}

async function* compressedPiece(nar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield await compressedWhole(nar);
}

/** Parts in full messages. What there is goes earlier where the next part takes its time; an empty message says that the builder lives. */
async function* packed(parts: AsyncGenerator<Sendable>, keepAlive: number): AsyncGenerator<Response> {
  let message: Sendable[] = [];
  let bytes = 0;
  async function* full() {
    yield { parts: message.map(({ part }) => part) };
    for (const { sent } of message) sent?.();
    message = [];
    bytes = 0;
  }
  let next = parts.next();
  try {
    for (;;) {
      if (!(await settlesWithin(next, message.length > 0 ? LINGER : keepAlive))) {
        yield* full();
        continue;
      }
      const { done, value } = await next;
      if (done) break;
      const length = lengthOf(value.part);
      if (message.length > 0 && (bytes + length > MESSAGE || message.length >= MAX_PARTS)) yield* full();
      message.push(value);
      bytes += length;
      next = parts.next();
    }
    if (message.length > 0) yield* full();
  } finally {
    await parts.return(undefined);
  }
}

/** Whether a promise settles in so many milliseconds. */
function settlesWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(false), milliseconds);
    const settled = () => {
      clearTimeout(timer);
      resolve(true);
    };
    promise.then(settled, settled);
  });
}

function count(served: Served, part: Part): void {
  if (part.part?.case === "end") served.paths += 1;
  served.bytes += lengthOf(part);
}

/** Bytes of files that a part carries. */
export function lengthOf({ part }: Part): number {
  return part?.case === "data" ? (part.value?.length ?? 0) : 0;
}
