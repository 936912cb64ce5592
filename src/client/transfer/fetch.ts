import { Failure } from "../../lib/failure.ts";
import { type BuildId, idToBytes } from "../../lib/ids.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { NarItem } from "../../nix/store.ts";
import type { Services } from "../connection/services.ts";
import { malformed } from "../wire.ts";
import type { Bytes } from "./bytes.ts";
import type { Meter } from "./meter.ts";
import { type NextPart, type Part, readNar } from "./nar-parts.ts";
import { guardStall, type StallGuard } from "./stall.ts";

/** What a download needs. */
export interface FetchContext {
  readonly cache: Services["cache"];
  readonly build: BuildId;
  readonly meter: Meter;
  /** Calls over which the paths come, 1 or more; more than 16 are taken as 16. */
  readonly streams: number;
  readonly signal: AbortSignal;
}

/** Most fetch streams: together their windows must stay below what a session may hold unread, or they would wait for each other for ever. */
const MAX_FETCH_STREAMS = 16;

/**
 * The NARs of these paths in this order. Several streams run ahead, path by path in turns, so that the builder works on several at once;
 * what nobody has asked for yet waits in the streams' windows, not here.
 */
export async function* fetchNars(context: FetchContext, infos: readonly PathInfo[]): AsyncGenerator<NarItem> {
  using guard = guardStall("fetching outputs", context.signal);
  const scope = new AbortController();
  const signal = AbortSignal.any([guard.signal, scope.signal]);
  const count = Math.max(1, Math.min(context.streams, MAX_FETCH_STREAMS, Math.ceil(infos.length / 4)));
  const lanes = Array.from({ length: count }, (_, lane) => infos.filter((_, index) => index % count === lane));
  const streams = lanes.map(lane => openStream({ ...context, signal }, lane, guard));
  try {
    for (const [index, info] of infos.entries()) {
      const stream = streams[index % count];
      if (stream !== undefined) yield { info, nar: counted(readNar(info, stream), context.meter) };
    }
    for (const next of streams) if ((await next()) !== undefined) throw malformed("more than was asked for");
  } finally {
    // Leaving a stream does not end its call; the signal does.
    scope.abort(new Failure("cancelled", "this machine", "the download has ended"));
  }
}

async function* counted(nar: Bytes, meter: Meter): AsyncGenerator<Uint8Array> {
  for await (const chunk of nar) {
    meter.addBytes(chunk.length);
    yield chunk;
  }
}

function openStream(
  { cache, build, meter, signal }: FetchContext,
  infos: readonly PathInfo[],
  guard: StallGuard,
): NextPart {
  async function* ask() {
    for (let at = 0; at < infos.length; at += 1024) {
      const items = infos.slice(at, at + 1024).map(({ path }) => ({ path }));
      yield at === 0 ? { buildId: idToBytes(build), items } : { items };
    }
  }
  async function* parts(): AsyncGenerator<Part, undefined> {
    for await (const message of cache.fetch(ask(), { signal })) {
      for (const { part } of message.parts) {
        if (part.case === "data") meter.addWireBytes(part.value.length);
        yield part;
      }
    }
  }
  const iterator = parts();
  // Begins the call now: streams that are not yet read from are to run ahead. Its failure is met when its turn comes.
  let first: ReturnType<typeof iterator.next> | undefined = iterator.next();
  first.catch(() => undefined);
  return async () => {
    // While the store here takes what has come, nothing needs to move.
    const result = await guard.during(first ?? iterator.next());
    first = undefined;
    return result.value;
  };
}
