import type { Bytes } from "../../lib/bytes.ts";
import { Failure } from "../../lib/failure.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { NarItem } from "../../nix/store.ts";
import { malformed } from "../wire.ts";
import { Lane, type LaneContext } from "./lane.ts";
import type { Meter } from "./meter.ts";
import { readNar } from "./nar-parts.ts";

/** What a download needs. */
export interface FetchContext extends LaneContext {
  /** Calls over which the paths come, 1 to {@link MAX_FETCH_STREAMS}. */
  readonly streams: number;
  /** Is told how the bytes of a path come, and when that changes. */
  readonly encoding: (codec: "none" | "zstd", info: PathInfo) => void;
}

/** Most fetch streams: together their windows must stay below what a session may hold unread, or they would wait for each other for ever. */
export const MAX_FETCH_STREAMS = 16;

/**
 * The NARs of these paths in this order. Several streams run ahead, path by path in turns, so that the builder works on several at once;
 * what nobody has asked for yet waits in the streams' windows, not here.
 */
export async function* fetchNars(context: FetchContext, infos: readonly PathInfo[]): AsyncGenerator<NarItem> {
  const scope = new AbortController();
  const signal = AbortSignal.any([context.signal, scope.signal]);
  const count = Math.max(1, Math.min(context.streams, Math.ceil(infos.length / 4)));
  const lanes = Array.from({ length: count }, (_, lane) => {
    const own = infos.filter((_, index) => index % count === lane);
    return new Lane({ ...context, signal }, own);
  });
  try {
    for (const lane of lanes) await lane.begin();
    for (const [index, info] of infos.entries()) {
      const lane = lanes[index % count];
      if (lane === undefined) continue;
      const tell = (raw: boolean) => context.encoding(raw ? "none" : "zstd", info);
      yield {
        info,
        nar: counted(
          readNar(info, () => lane.next(), tell),
          context.meter,
        ),
      };
    }
    for (const lane of lanes) if ((await lane.next()) !== undefined) throw malformed("more than was asked for");
  } finally {
    // Leaving a stream does not end its call; the signal does.
    scope.abort(new Failure("cancelled", "this machine", "the download has ended"));
    for (const lane of lanes) lane[Symbol.dispose]();
  }
}

async function* counted(nar: Bytes, meter: Meter): AsyncGenerator<Uint8Array> {
  for await (const chunk of nar) {
    meter.addBytes(chunk.length);
    yield chunk;
  }
}
