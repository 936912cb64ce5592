import { randomBytes } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type BuildEvent, BuildOutcome, type BuildResult } from "../../gen/drvthru/v1/build_pb.js";
import type { CacheFetchItemSchema } from "../../gen/drvthru/v1/cache_pb.js";
import { Codec, Reason, RefusalSchema, type PathInfo as WireInfo } from "../../gen/drvthru/v1/common_pb.js";
import { type BuildId, type ClientId, type EndpointId, idFromBytes, type TicketId } from "../../src/lib/ids.ts";
import { pathInfoToWire } from "../../src/server/path-infos.ts";
import type { MadeDerivation, MadePath } from "../fakes/make-path.ts";
import type { Connected } from "./world.ts";

/** Who makes calls. */
export type Caller = Pick<Connected, "build" | "upload" | "cache">;

/** A random id of 32 bytes. */
export function randomId<Id extends BuildId | ClientId | TicketId | EndpointId>(): Id {
  const id = idFromBytes<Id>(randomBytes(32));
  if (id === undefined) throw new Error("32 bytes are no id");
  return id;
}

/** What else an Open may say. */
export interface OpenMore {
  readonly installable?: string;
  readonly buildId?: Uint8Array;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly options?: { readonly keepGoing?: boolean; readonly rebuild?: boolean };
  readonly insteadOf?: Uint8Array;
}

/** Opens a build of these derivations. */
export async function open(guest: Caller, drvs: readonly MadeDerivation[], more: OpenMore = {}): Promise<Uint8Array> {
  const { outputs, buildId = new Uint8Array(randomBytes(32)), ...rest } = more;
  const targets = drvs.map(drv => ({
    drvPath: drv.info.path,
    outputs: Object.entries(outputs ?? drv.outputs).map(([name, path]) => ({ name, path })),
  }));
  await guest.build.open({ installable: "test", ...rest, buildId, targets });
  return buildId;
}

/** Names these paths, and says which must be sent. */
export async function missing(guest: Caller, buildId: Uint8Array, paths: readonly MadePath[]): Promise<string[]> {
  const answer: string[] = [];
  const infos = paths.map(path => pathInfoToWire(path.info));
  for await (const response of guest.upload.missing(only({ buildId, paths: infos }))) answer.push(...response.paths);
  return answer;
}

/** Sends these paths, and says which were registered. */
export async function put(guest: Caller, buildId: Uint8Array, paths: readonly MadePath[]): Promise<string[]> {
  const registered: string[] = [];
  for await (const response of guest.upload.put(putRequests(buildId, paths))) registered.push(...response.registered);
  return registered;
}

/** The first message of a Put stream. */
export function putStart(buildId: Uint8Array, codec = Codec.NONE) {
  return { part: { case: "start" as const, value: { buildId, codec } } };
}

/** The message that announces these. */
export function putPaths(paths: readonly MadePath[]) {
  return { part: { case: "paths" as const, value: { infos: paths.map(path => pathInfoToWire(path.info)) } } };
}

/** The message with these bytes. */
export function putData(bytes: Uint8Array) {
  return { part: { case: "data" as const, value: new Uint8Array(bytes) } };
}

/** The message that says how the bytes after it travel. */
export function putCodec(value: Codec) {
  return { part: { case: "codec" as const, value } };
}

/** The messages that send these paths as they are. */
export async function* putRequests(buildId: Uint8Array, paths: readonly MadePath[]) {
  yield putStart(buildId);
  yield putPaths(paths);
  for (const { nar } of paths) {
    for (let at = 0; at < nar.length; at += 100_000) yield putData(nar.subarray(at, at + 100_000));
  }
}

/** Opens a build and uploads what is missing. */
export async function upload(
  guest: Caller,
  drvs: readonly MadeDerivation[],
  inputs: readonly MadePath[] = [],
  more: OpenMore = {},
): Promise<Uint8Array> {
  const buildId = await open(guest, drvs, more);
  const paths = [...inputs, ...drvs];
  const lacking = new Set(await missing(guest, buildId, paths));
  const sent = paths.filter(path => lacking.has(path.info.path));
  if (sent.length > 0) await put(guest, buildId, sent);
  return buildId;
}

/** Opens a build, uploads what is missing and starts it. */
export async function begin(...args: Parameters<typeof upload>): Promise<Uint8Array> {
  const buildId = await upload(...args);
  await args[0].build.start({ buildId });
  return buildId;
}

/** All events after a number, until the result. */
export async function watch(guest: Caller, buildId: Uint8Array, after = 0n): Promise<BuildEvent[]> {
  const events: BuildEvent[] = [];
  for await (const response of guest.build.watch({ buildId, after })) events.push(...response.events);
  return events;
}

/** Waits for an event of that kind. */
export async function until(
  guest: Caller,
  buildId: Uint8Array,
  kind: NonNullable<BuildEvent["event"]["case"]>,
): Promise<BuildEvent> {
  const enough = new AbortController();
  try {
    for await (const { events } of guest.build.watch({ buildId }, { signal: enough.signal })) {
      const found = events.find(event => event.event.case === kind);
      if (found) return found;
    }
  } finally {
    enough.abort();
  }
  throw new Error(`the build ended without ${kind}`);
}

/** The result of a build. */
export async function resultOf(guest: Caller, buildId: Uint8Array): Promise<BuildResult> {
  const last = (await watch(guest, buildId)).at(-1)?.event;
  if (last?.case !== "result") throw new Error("the watch ended without a result");
  return last.value;
}

/** How a build ended, in words. */
export async function outcomeOf(guest: Caller, buildId: Uint8Array): Promise<string> {
  return BuildOutcome[(await resultOf(guest, buildId)).outcome] ?? "";
}

/** The infos of an output's closure. */
export async function closure(guest: Caller, buildId: Uint8Array, output: string): Promise<WireInfo[]> {
  const infos: WireInfo[] = [];
  for await (const response of guest.cache.closure({ buildId, output })) infos.push(...response.infos);
  return infos;
}

/** A file as it was fetched. */
export interface FetchedFile {
  /** From where on. */
  readonly offset: number;
  /** Of the whole file in hex, or empty if it was not known at its beginning. */
  readonly fileHash: string;
  bytes: Buffer;
}

/** Files as they come, by path. */
export async function fetched(
  guest: Caller,
  buildId: Uint8Array,
  paths: readonly (string | MessageInitShape<typeof CacheFetchItemSchema>)[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Map<string, FetchedFile>> {
  const found = new Map<string, FetchedFile>();
  const items = paths.map(path => (typeof path === "string" ? { path } : path));
  let current: FetchedFile | undefined;
  for await (const { parts } of guest.cache.fetch(only({ buildId, items }), options)) {
    for (const { part } of parts) {
      if (part.case === "begin") {
        const { path, offset, fileHash } = part.value;
        current = { offset: Number(offset), fileHash: Buffer.from(fileHash).toString("hex"), bytes: Buffer.alloc(0) };
        found.set(path, current);
      } else if (part.case === "data" && current) current.bytes = Buffer.concat([current.bytes, part.value]);
    }
  }
  return found;
}

/** The reason of a refusal. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof ConnectError)) throw error;
  const [refusal] = error.findDetails(RefusalSchema);
  return refusal ? (Reason[refusal.reason] ?? "") : `${Code[error.code]}: ${error.rawMessage}`;
}

/** The reason with which this is refused. */
export async function refused(call: Promise<unknown>): Promise<string> {
  return await call.then(() => "taken", reasonOf);
}

/** One message. */
export async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}
