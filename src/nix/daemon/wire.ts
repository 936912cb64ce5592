import type { Socket } from "node:net";
import { ByteReader } from "./bytes.ts";
import { HungUp, storeClosed } from "./error.ts";

/** The two directions of a connection to a daemon. */
export interface Wire {
  readonly reader: ByteReader;
  /** Sends these bytes as one write. Resolves when more may be written, rejects once the connection is gone. */
  write(...parts: readonly Uint8Array[]): Promise<void>;
  /** Ends both directions at once: half a close would let a build run to its end. May be repeated. */
  destroy(error?: Error): void;
}

/** The wire over a connected socket. */
export function socketWire(socket: Socket): Wire {
  let gone: Error | undefined;
  let cause: Error | undefined;
  const blocked: PromiseWithResolvers<void>[] = [];
  const reader = new ByteReader({ pause: () => socket.pause(), resume: () => socket.resume() });
  const end = (error: Error) => {
    gone ??= error;
    reader.end(gone);
    for (const waiter of blocked.splice(0)) waiter.reject(gone);
  };
  socket.on("data", chunk => reader.push(chunk));
  socket.on("drain", () => {
    for (const waiter of blocked.splice(0)) waiter.resolve();
  });
  socket.on("error", error => {
    cause = error;
  });
  socket.on("close", () => end(new HungUp(cause)));
  return {
    reader,
    write(...parts) {
      if (gone) return Promise.reject(gone);
      socket.cork();
      for (const part of parts) socket.write(part);
      socket.uncork();
      if (!socket.writableNeedDrain) return Promise.resolve();
      const waiter = Promise.withResolvers<void>();
      blocked.push(waiter);
      return waiter.promise;
    },
    destroy(error = storeClosed()) {
      end(error);
      socket.destroy();
    },
  };
}
