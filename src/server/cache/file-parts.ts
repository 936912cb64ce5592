import { createHash, type Hash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CacheFetchItem, CacheFetchPartSchema } from "../../../gen/drvthru/v1/cache_pb.js";
import { TAIL } from "../../lib/protocol.ts";
import { type Sha256, sha256FromBytes, sha256ToBytes } from "../../nix/hash.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { malformed, storePathFromWire } from "../path-infos.ts";
import { PIECE } from "./pieces.ts";
import type { FileSource } from "./source.ts";

/** A piece of an answer. */
export type Part = MessageInitShape<typeof CacheFetchPartSchema>;

/** A piece, and who is to hear that it was sent: its memory may hold others then. */
export interface Sendable {
  readonly part: Part;
  readonly sent?: () => void;
}

/** A path that is asked for, and what of its file is there already. */
export interface Wanted {
  readonly path: StorePath;
  readonly offset: number;
  readonly tailHash: Sha256 | undefined;
}

/** Checks what a client asks for. Throws a refusal. */
export function wantedFromWire({ path, offset, tailHash }: CacheFetchItem): Wanted {
  const parsed = storePathFromWire(path);
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("an offset is out of range", path);
  const hash = sha256FromBytes(tailHash);
  if (offset > 0n ? hash === undefined : tailHash.length > 0) {
    throw malformed("an offset comes with the SHA-256 of what comes before it, 32 bytes", path);
  }
  return { path: parsed, offset: Number(offset), tailHash: hash };
}

/** The pieces of a file from where the client has it. Throws a refusal for an offset past the end. */
export async function* fileParts(source: FileSource, wanted: Wanted, signal: AbortSignal): AsyncGenerator<Sendable> {
  const { start, hash } = await startOf(source, wanted, signal);
  yield { part: beginPart(wanted.path, source, start) };
  for (let at = start; ; ) {
    const { bytes, done } = await source.read(at, PIECE, signal);
    // A fill was hashed when it was made.
    if (source.how === "hit") hash.update(bytes);
    at += bytes.length;
    // The last bytes are withheld from a client if something is wrong with any of them.
    if (source.whole !== undefined && at >= source.whole.fileSize) check(source, hash, wanted.path);
    else if (bytes.length === 0) throw damaged(source, wanted.path);
    if (bytes.length > 0) yield { part: { part: { case: "data", value: bytes } }, sent: done };
    if (source.whole !== undefined && at >= source.whole.fileSize) break;
  }
  yield { part: { part: { case: "end", value: {} } } };
}

/** The piece with which a path begins. Without a source it comes straight from the store. */
export function beginPart(path: StorePath, source?: FileSource, offset = 0): Part {
  const whole = source?.whole;
  const file = whole && { fileHash: sha256ToBytes(whole.fileHash), fileSize: BigInt(whole.fileSize) };
  return { part: { case: "begin", value: { path, offset: BigInt(offset), ...file } } };
}

/** Where to begin, and the hash of all before where the whole is to be checked. */
async function startOf(
  source: FileSource,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<{ start: number; hash: Hash }> {
  const start = (await isSame(source, wanted, signal)) ? wanted.offset : 0;
  return { start, hash: await hashOf(source, 0, source.how === "hit" ? start : 0, wanted.path, signal) };
}

/** The client may have the beginning of another file. */
async function isSame(source: FileSource, { path, offset, tailHash }: Wanted, signal: AbortSignal): Promise<boolean> {
  if (offset === 0) return true;
  const tail = await hashOf(source, Math.max(0, offset - TAIL), offset, path, signal);
  return tail.digest("hex") === tailHash;
}

async function hashOf(
  source: FileSource,
  from: number,
  to: number,
  path: StorePath,
  signal: AbortSignal,
): Promise<Hash> {
  const hash = createHash("sha256");
  for (let at = from; at < to; ) {
    const { bytes, done } = await source.read(at, Math.min(PIECE, to - at), signal);
    if (bytes.length === 0) throw malformed("an offset is past the end of the file", path);
    hash.update(bytes);
    at += bytes.length;
    done();
  }
  return hash;
}

function check(source: FileSource, hash: Hash, path: StorePath): void {
  if (source.how === "hit" && hash.copy().digest("hex") !== source.whole?.fileHash) throw damaged(source, path);
}

/** As when the connection breaks: the client comes again, and by then there is another file. */
function damaged(source: FileSource, path: StorePath): ConnectError {
  source.damaged();
  return new ConnectError(`the builder's cached file of ${path} is damaged and is made again`, Code.Unavailable);
}
