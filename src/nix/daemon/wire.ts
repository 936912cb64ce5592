import { connect, type Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { ByteReader } from "./bytes.ts";
import { HungUp, storeClosed } from "./error.ts";
import { Slabs } from "./slabs.ts";

/** The two directions of a connection to a daemon. */
export interface Wire {
  readonly reader: ByteReader;
  /** Sends these bytes as one write. Resolves when more may be written, rejects once the connection is gone. */
  write(...parts: readonly Uint8Array[]): Promise<void>;
  /** Ends both directions at once: half a close would let a build run to its end. May be repeated. */
  destroy(error?: Error): void;
  /** Calls this once the connection is gone, whoever ended it, at once if it is; the caller can take it back by calling what it gets. */
  onEnd(listener: (error: Error) => void): () => void;
}

/** A wire that is being connected to the Unix socket at this path, and the socket, which says when it is. */
export function dial(path: string): { wire: Wire; socket: Socket } {
  const slabs = new Slabs();
  const reader = new ByteReader({ pause: () => socket.pause(), resume: () => socket.resume() });
  const callback = (length: number) => {
    reader.push(slabs.take(length));
    return true;
  };
  const socket = connect({ path, onread: { buffer: () => slabs.room, callback } });
  return { wire: wireOf(reader, socket, socket), socket };
}

/** The wire over the two ends of a daemon's pipes. `onDestroy` is called when this side ends it, and may be so again. */
export function streamWire(input: Readable, output: Writable, onDestroy: () => void): Wire {
  const reader = new ByteReader({ pause: () => input.pause(), resume: () => input.resume() });
  input.on("data", chunk => reader.push(chunk));
  return wireOf(reader, input, output, onDestroy);
}

function wireOf(reader: ByteReader, input: Readable, output: Writable, onDestroy: () => void = () => {}): Wire {
  let gone: Error | undefined;
  let cause: Error | undefined;
  const blocked: PromiseWithResolvers<void>[] = [];
  const listeners = new Set<(error: Error) => void>();
  const end = (error: Error) => {
    if (gone) return;
    gone = error;
    reader.end(error);
    for (const waiter of blocked.splice(0)) waiter.reject(error);
    for (const listener of listeners) listener(error);
  };
  const failed = (error: Error) => {
    cause ??= error;
  };
  input.on("error", failed);
  input.on("close", () => end(new HungUp(cause)));
  if (!Object.is(input, output)) output.on("error", failed);
  output.on("drain", () => {
    for (const waiter of blocked.splice(0)) waiter.resolve();
  });
  return {
    reader,
    write(...parts) {
      if (gone) return Promise.reject(gone);
      output.cork();
      for (const part of parts) output.write(part);
      output.uncork();
      if (!output.writableNeedDrain) return Promise.resolve();
      const waiter = Promise.withResolvers<void>();
      blocked.push(waiter);
      return waiter.promise;
    },
    destroy(error = storeClosed()) {
      end(error);
      input.destroy();
      output.destroy();
      onDestroy();
    },
    onEnd(listener) {
      if (gone) listener(gone);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
