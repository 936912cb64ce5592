import { createRequire } from "node:module";
import type { SessionEnd } from "../../lib/stream.ts";
import type { SessionPath } from "../interface.ts";

/** What this code and the addon say to each other; the addon has the same number where it fits. */
export const addonAbi = 3;

/** What a call came to, call after call: its number, whether it went well, and value or {@link AddonProblem}. */
export type AddonNews = readonly unknown[];

/** The addon's module. A call with a number as its first argument comes back as news. */
export interface Addon {
  readonly ABI: number;
  /** The version of the Iroh crate in it. */
  readonly IROH: string;
  readonly Hub: new (hear: (news: AddonNews) => void) => AddonHub;
}

/** One thread of Node. */
export interface AddonHub {
  bind(call: number, options: AddonBind): void;
  abort(call: number): void;
  goodbye(): void;
}

/** What an endpoint is made of. */
export interface AddonBind {
  readonly secretKey?: Uint8Array;
  readonly alpns: readonly string[];
  readonly relays?: readonly string[];
  readonly bind: readonly string[];
  readonly externalAddresses: readonly string[];
  readonly discovery: boolean;
  readonly sessions: number;
  readonly streams: number;
  readonly strangerBytes?: number;
}

/** One end of the network. */
export interface AddonEndpoint {
  id(): string;
  bound(): string[];
  direct(): string[];
  relay(): string | null;
  connect(call: number, peer: string, relays: readonly string[], addresses: readonly string[], alpn: string): void;
  accept(call: number): void;
  endAccepts(): void;
  close(call: number): void;
}

/** A connection to one peer. */
export interface AddonConnection {
  remote(): string;
  alpn(): string;
  open(call: number, oneWay: boolean): void;
  accept(call: number, oneWay: boolean): void;
  closed(call: number): void;
  close(code: number, reason: Uint8Array): void;
  admit(): void;
  path(): SessionPath;
  watchPath(call: number): void;
  statistics(): [sent: number, received: number, lost: number];
}

/** A stream, or one half of it. */
export interface AddonStream {
  /** Bytes that are there: then nothing comes back. */
  read(call: number): Uint8Array | null;
  stop(code: number): void;
  /** Takes all bytes. True where more may be written at once: then nothing comes back. */
  write(call: number, bytes: Uint8Array): boolean;
  finish(): boolean;
  delivered(call: number): void;
  reset(code: number): void;
}

/** Why a call failed. */
export interface AddonProblem {
  readonly kind: string;
  readonly code: number;
}

/** What a connection's `closed` comes to. */
export type AddonEnd = SessionEnd;

/** Loads the addon of a file. Throws where it does not load, or is none that fits; both say why in a few words. */
export function loadAddon(file: string): Addon {
  const module: unknown = createRequire(import.meta.url)(file);
  if (typeof module !== "object" || module === null || !("ABI" in module)) throw new Error("it is another addon");
  if (module.ABI !== addonAbi) throw new Error(`it was built for another version (${module.ABI}, not ${addonAbi})`);
  return module as Addon;
}
