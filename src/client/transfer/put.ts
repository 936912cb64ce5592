import type { MessageInitShape } from "@bufbuild/protobuf";
import { Codec } from "../../../gen/drvthru/v1/common_pb.js";
import type { UploadPutRequestSchema } from "../../../gen/drvthru/v1/upload_pb.js";
import { Failure } from "../../lib/failure.ts";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { OpenStore, Store } from "../../nix/store.ts";
import type { Services } from "../connection/services.ts";
import { malformed } from "../wire.ts";
import { encode } from "./encode.ts";
import type { Encoding } from "./encoding.ts";
import type { Meter } from "./meter.ts";
import { infoBatches, infoToWire, storePathFromWire } from "./path-info.ts";
import { planPut } from "./put-plan.ts";
import { guardStall, type StallGuard } from "./stall.ts";

/** What an upload needs. */
export interface PutContext {
  readonly upload: Services["upload"];
  readonly build: BuildId;
  readonly openStore: OpenStore;
  readonly meter: Meter;
  /** Most streams at once. */
  readonly maxStreams: number;
  /** Is told how the bytes of a stream travel from now on. */
  readonly encoding: (encoding: Encoding) => void;
  readonly signal: AbortSignal;
}

/** Sends paths, which must come with references first; ends when the builder has registered all of them. */
export async function putPaths(context: PutContext, missing: readonly PathInfo[]): Promise<void> {
  const { parallel, last } = planPut(missing, Math.min(context.maxStreams, 4));
  const scope = new AbortController();
  const within = { ...context, signal: AbortSignal.any([context.signal, scope.signal]) };
  const one = (infos: readonly PathInfo[]) =>
    putStream(within, infos).catch(error => {
      // The first failure is the one that counts: the others only follow from it.
      scope.abort(error);
      throw scope.signal.reason;
    });
  const results = await Promise.allSettled(parallel.map(one));
  for (const result of results) if (result.status === "rejected") throw result.reason;
  for (let at = 0; at < last.length; at += PATHS_PER_STREAM) {
    await putStream(context, last.slice(at, at + PATHS_PER_STREAM));
  }
}

/** Half of what may be announced and not yet sent: however well thousands of small paths compress, a stream never has more on its way. */
const PATHS_PER_STREAM = 4096;

async function putStream(context: PutContext, infos: readonly PathInfo[]): Promise<void> {
  using guard = guardStall("sending inputs", context.signal);
  const store = await context.openStore(guard.signal);
  const waiting = new Set<string>(infos.map(info => info.path));
  let ownError: unknown;
  async function* messages() {
    try {
      yield* putMessages(context, store, infos, guard);
    } catch (error) {
      // The transport would wrap it; what failed here is no fault of the wire.
      ownError = error;
      throw error;
    }
  }
  try {
    for await (const { registered } of context.upload.put(messages(), { signal: guard.signal })) {
      guard.moved();
      for (const text of registered) {
        const path = storePathFromWire(text);
        if (!waiting.delete(path)) throw malformed(`an acknowledgement of ${path}, which was not sent`);
      }
      context.meter.addPaths(registered.length);
    }
  } catch (error) {
    throw ownError instanceof Failure ? ownError : error;
  } finally {
    store.close();
  }
  if (waiting.size > 0) throw malformed(`no acknowledgement of ${waiting.size} paths`);
}

type PutMessage = MessageInitShape<typeof UploadPutRequestSchema>;

async function* putMessages(
  { build, meter, encoding }: PutContext,
  store: Store,
  infos: readonly PathInfo[],
  guard: StallGuard,
): AsyncGenerator<PutMessage> {
  let announcements: PutMessage[] = [];
  async function* nars() {
    for (const batch of infoBatches(infos)) {
      announcements.push({ part: { case: "paths", value: { infos: batch.map(infoToWire) } } });
      // The builder proves what it gets before its store has the whole of it: to do so here, too, would only cost time.
      for await (const { nar } of store.nars(batch, { checkHash: false })) {
        for await (const chunk of nar) {
          yield chunk;
          meter.addBytes(chunk.length);
        }
      }
    }
  }
  let begun = false;
  for await (const piece of encode(nars())) {
    if (typeof piece === "string") {
      encoding(piece);
      const codec = piece.startsWith("zstd") ? Codec.ZSTD : Codec.NONE;
      if (begun) yield { part: { case: "codec", value: codec } };
      else yield { part: { case: "start", value: { buildId: idToBytes(build), codec } } };
      begun = true;
      continue;
    }
    // What a chunk holds was announced when it was read from the store, so before it came out here.
    yield* announcements;
    announcements = [];
    yield { part: { case: "data", value: piece } };
    meter.addWireBytes(piece.length);
    guard.moved();
  }
}
