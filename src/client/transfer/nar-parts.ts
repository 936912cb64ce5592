import { zstdDecompressSync } from "node:zlib";
import type { CacheFetchPart } from "../../../gen/drvthru/v1/cache_pb.js";
import type { Bytes } from "../../lib/bytes.ts";
import { Failure } from "../../lib/failure.ts";
import { FrameReader, ZstdFormatError } from "../../lib/zstd-frames.ts";
import { createHasher } from "../../nix/hash.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { malformed } from "../wire.ts";
import { unframed, WINDOW } from "./unframe.ts";

/** A piece of a fetch stream. */
export type Part = CacheFetchPart["part"];

/** Hears whether bytes come as they are, or compressed. */
export type Tell = (raw: boolean) => void;

/** Takes the next piece, or `undefined` at the end of the stream. */
export type NextPart = () => Promise<Part | undefined>;

/**
 * The NAR of the next path of a fetch stream, which must be this one. Throws at the latest after the last byte if it is not what the info says. Where
 * its file begins anew, what was given already is passed over. `tell` hears how the bytes come, at the beginning and when that changes.
 */
export async function* readNar(info: PathInfo, next: NextPart, tell: Tell = () => {}): AsyncGenerator<Uint8Array> {
  const hasher = createHasher("sha256");
  const begin = await next();
  if (begin?.case !== "begin" || begin.value.path !== info.path) throw malformed(`something else than ${info.path}`);
  for (let begun = 1, whole = false; !whole; begun++) {
    if (begun > MAX_FILES) throw wrongBytes(info, `${MAX_FILES} files`);
    try {
      for await (const chunk of behind(hasher.size, decoded(info, next, tell))) {
        hasher.update(chunk);
        if (hasher.size > info.narSize) throw wrongBytes(info, "too many bytes");
        yield chunk;
      }
      whole = true;
    } catch (error) {
      if (!(error instanceof OtherFile)) throw error;
    }
  }
  if (hasher.size < info.narSize) throw wrongBytes(info, "too few bytes");
  if (hasher.digest().hex !== info.narHash) throw wrongBytes(info, "bytes with another hash");
}

/** Each file anew costs all bytes before: a builder that goes on so is up to something. */
const MAX_FILES = 32;

/** The builder began the path anew, with another file of the same content. */
class OtherFile extends Error {}

/** The bytes after so many. */
async function* behind(count: number, bytes: Bytes): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of bytes) {
    if (left < chunk.length) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

async function* decoded(info: PathInfo, next: NextPart, tell: Tell): Bytes {
  const sent = limited(info, pieces(info, next));
  if (info.narSize <= SMALL) return yield decompress(info, await Array.fromAsync(sent), tell);
  try {
    yield* unframed(sent, info.narSize, tell);
  } catch (cause) {
    const own = cause instanceof ZstdFormatError || (cause instanceof Error && "code" in cause && isZstd(cause.code));
    throw own ? wrongBytes(info, "what does not decompress", cause) : cause;
  }
}

/** Up to this size a path is decompressed in one go: a stream for each of a thousand small paths costs more than the paths. */
const SMALL = 256 << 10;

function isZstd(code: unknown): boolean {
  return String(code).startsWith("ZSTD");
}

/** Bytes that do not shrink grow a little; more than that is an attack on memory, or on time: zstd has frames that hold nothing. */
async function* limited(info: PathInfo, source: Bytes): AsyncGenerator<Uint8Array> {
  const most = info.narSize + Math.ceil(info.narSize / 256) + (64 << 10);
  let length = 0;
  for await (const chunk of source) {
    if (chunk.length === 0) throw wrongBytes(info, "empty pieces");
    length += chunk.length;
    if (length > most) throw wrongBytes(info, "too many bytes");
    yield chunk;
  }
}

function decompress(info: PathInfo, chunks: readonly Uint8Array[], tell: Tell): Uint8Array {
  try {
    const reader = new FrameReader();
    const pieces = chunks.flatMap(chunk => reader.feed(chunk));
    const raw = reader.whole && pieces.every(piece => piece.raw);
    tell(raw);
    if (raw) return Buffer.concat(pieces.map(({ bytes }) => bytes));
    return zstdDecompressSync(Buffer.concat(chunks), { params: WINDOW, maxOutputLength: Math.max(1, info.narSize) });
  } catch (cause) {
    throw wrongBytes(info, "what does not decompress", cause);
  }
}

async function* pieces(info: PathInfo, next: NextPart): AsyncGenerator<Uint8Array> {
  for (;;) {
    const part = await next();
    if (part?.case === "end") return;
    if (part?.case === "begin" && part.value.path === info.path) throw new OtherFile();
    if (part?.case !== "data") throw malformed(`${info.path} without its end`);
    yield part.value;
  }
}

function wrongBytes(info: PathInfo, what: string, cause?: unknown): Failure {
  return new Failure("failed", "the builder", `the builder sent ${what} for ${info.path}`, {
    reason: "path-corrupt",
    fix: "nothing of it was taken; run the same command again, and tell the builder's owner if it stays so",
    cause,
  });
}
