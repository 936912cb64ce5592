import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CacheFetchPartSchema,
  CacheFetchRequest,
  CacheFetchResponseSchema,
} from "../../../gen/drvthru/v1/cache_pb.js";
import { Codec } from "../../../gen/drvthru/v1/common_pb.js";
import type { NarItem } from "../../nix/store.ts";
import { ownerKey } from "../../tickets/use.ts";
import type { FoundBuild } from "../build/builds.ts";
import { MAX_BATCH, malformed, storePathFromWire } from "../path-infos.ts";
import type { Stores } from "../stores.ts";
import type { Closures } from "./closures.ts";
import { encoded } from "./encode.ts";

type Part = MessageInitShape<typeof CacheFetchPartSchema>;
type Response = MessageInitShape<typeof CacheFetchResponseSchema>;

/** Bytes of one part. */
const PART = 256 * 1024;
/** Bytes after which a message is full. */
const MESSAGE = 256 * 1024;
const MAX_PARTS = 1_000;

/** What Fetch works with. */
export interface FetchContext {
  readonly closures: Closures;
  readonly downloads: Stores;
}

/** Sends the NARs that each message asks for, in order, several small ones in a message. `first` is the message that named the build. */
export async function* fetchPaths(
  first: CacheFetchRequest,
  more: AsyncIterator<CacheFetchRequest>,
  found: FoundBuild,
  { closures, downloads }: FetchContext,
  signal: AbortSignal,
): AsyncGenerator<Response> {
  if (first.codec !== Codec.NONE && first.codec !== Codec.ZSTD) throw malformed("the codec is neither none nor zstd");
  const owner = ownerKey("live" in found ? found.live.owner : found.stored.owner);
  // A stream that asks for nothing holds no conversation with the daemon: there are not many.
  for (let request = first; ; ) {
    if (request.items.length > MAX_BATCH) throw malformed(`at most ${MAX_BATCH} paths are asked for in a message`);
    const paths = request.items.map(item => storePathFromWire(item.path));
    const infos = await closures.infos(found, paths, signal);
    const parts = downloads.each(signal, store => partsOf(store.nars(infos), first.codec), owner);
    for await (const response of infos.length > 0 ? packed(parts) : []) {
      if ("live" in found) count(found.live.downloaded, response);
      yield response;
    }
    const next = await more.next();
    if (next.done) return;
    request = next.value;
  }
}

async function* partsOf(items: AsyncIterable<NarItem>, codec: Codec): AsyncGenerator<Part> {
  for await (const { info, nar } of items) {
    const { codec: chosen, bytes } = await encoded(nar, info.narSize, codec);
    yield { part: { case: "begin", value: { path: info.path, codec: chosen } } };
    for await (const piece of bytes) {
      for (let at = 0; at < piece.length; at += PART) {
        yield { part: { case: "data", value: plain(piece.subarray(at, at + PART)) } };
      }
    }
    yield { part: { case: "end", value: {} } };
  }
}

/** Without Node's own class over it, which the message would keep. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Parts in messages that are full, but for the last. */
async function* packed(parts: AsyncIterable<Part>): AsyncGenerator<Response> {
  let message: Part[] = [];
  let bytes = 0;
  for await (const part of parts) {
    const length = part.part?.case === "data" ? (part.part.value?.length ?? 0) : 0;
    if (message.length > 0 && (bytes + length > MESSAGE || message.length >= MAX_PARTS)) {
      yield { parts: message };
      message = [];
      bytes = 0;
    }
    message.push(part);
    bytes += length;
  }
  if (message.length > 0) yield { parts: message };
}

/** Adds what a message carries. */
export function count(served: { paths: number; bytes: number }, { parts = [] }: Response): void {
  for (const { part } of parts) {
    if (part?.case === "end") served.paths += 1;
    if (part?.case === "data") served.bytes += part.value?.length ?? 0;
  }
}
