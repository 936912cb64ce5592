import { ByteReader } from "../../../src/nix/daemon/bytes.ts";
import { Connection } from "../../../src/nix/daemon/connection.ts";
import { encode, type Field } from "../../../src/nix/daemon/encode.ts";
import { HungUp, storeClosed } from "../../../src/nix/daemon/error.ts";
import { minorVersion, Tag } from "../../../src/nix/daemon/protocol.ts";
import { daemonStore } from "../../../src/nix/daemon/store.ts";
import type { Wire } from "../../../src/nix/daemon/wire.ts";
import type { Store } from "../../../src/nix/store.ts";

/** A daemon that says these bytes, two at a time, then hangs up, and keeps what it hears. */
export interface Scripted extends Wire {
  heard(): Buffer;
  readonly destroyed: boolean;
}

/** The reply of an operation: no messages, then these fields. */
export function reply(...fields: Field[]): Buffer {
  return encode(Tag.last, ...fields);
}

/** An error as the daemon sends it, with one trace. */
export function errorReply(message: string): Buffer {
  return encode(Tag.error, "Error", 0, "Error", message, 0, 1, 0, "while doing what was asked");
}

/** A wire to a daemon that says this. */
export function scripted(...parts: Uint8Array[]): Scripted {
  const heard: Uint8Array[] = [];
  const reader = readerOf(...parts);
  const listeners = new Set<(error: Error) => void>();
  let destroyed = false;
  return {
    reader,
    write: async (...bytes) => {
      if (destroyed) throw storeClosed();
      heard.push(...bytes);
    },
    destroy: (error = storeClosed()) => {
      destroyed = true;
      reader.end(error);
      for (const listener of listeners) listener(error);
    },
    onEnd: listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    heard: () => Buffer.concat(heard),
    get destroyed() {
      return destroyed;
    },
  };
}

/** A reader of these bytes, which come two at a time. */
export function readerOf(...parts: Uint8Array[]): ByteReader {
  const bytes = Buffer.concat(parts);
  const reader = new ByteReader({ pause: () => {}, resume: () => {} });
  let at = 0;
  const feed = (): void => {
    reader.push(bytes.subarray(at, at + 2));
    at += 2;
    if (at < bytes.length) setImmediate(feed);
    else reader.end(new HungUp());
  };
  setImmediate(feed);
  return reader;
}

/** A store over such a wire, past its greeting. */
export function scriptedStore(minor: number, ...parts: Uint8Array[]): { store: Store; wire: Scripted } {
  const wire = scripted(...parts);
  const greeting = { protocol: minorVersion(minor), nixVersion: "2.8.0", trust: "unknown" } as const;
  return { wire, store: daemonStore(new Connection(wire, greeting)) };
}
