import { once } from "node:events";
import type { Writable } from "node:stream";

/** Writes, and waits until there is room for more: whoever reads slowly is not answered into a heap. Throws when the signal fires. */
export async function writeSlowly(stream: Writable, text: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!stream.write(text)) await once(stream, "drain", { signal });
}

/** A signal that fires when nobody reads this stream any more. */
export function whenUnread(stream: Writable): AbortSignal {
  const gone = new AbortController();
  stream.once("error", error => gone.abort(error));
  return gone.signal;
}
