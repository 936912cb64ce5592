import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { Codec } from "../../gen/drvthru/v1/common_pb.js";
import { encode } from "../../src/client/transfer/encode.ts";
import { createHasher } from "../../src/nix/hash.ts";
import { encodeNar } from "../../src/nix/nar/encode.ts";
import type { NarEvent } from "../../src/nix/nar/event.ts";
import { NarParser } from "../../src/nix/nar/reader.ts";
import { compressed } from "../../src/server/cache/compress.ts";
import { decoded } from "../../src/server/upload/decode.ts";
import { encodeFrame, FrameDecoder, FrameType } from "../../src/transport/frames.ts";
import { inPieces, lengthOf, MEGABYTE, PIECE, someBytes } from "./bytes.ts";
import type { Part } from "./rate.ts";

const SIZE = 4 << 20;
const piece = someBytes(PIECE);
const target = Buffer.alloc(PIECE);
const random = someBytes(SIZE);
const packing = someBytes(SIZE, true);
const atOnce = promisify(zstdCompress);
const backAtOnce = promisify(zstdDecompress);
const level = (value: number) => ({ params: { [constants.ZSTD_c_compressionLevel]: value } });

const copy = () => {
  target.set(piece);
  return PIECE / MEGABYTE;
};
const hashOnce = () => {
  createHash("sha256").update(random).digest();
  return SIZE / MEGABYTE;
};

function hashPieces(): number {
  const hasher = createHasher("sha256");
  for (let at = 0; at < SIZE; at += PIECE) hasher.update(random.subarray(at, at + PIECE));
  hasher.digest();
  return SIZE / MEGABYTE;
}

/** A folder of files that have so many bytes each, 1 MiB in all. */
function* tree(size: number): Generator<NarEvent> {
  yield { kind: "directory" };
  for (let n = 0; n < 2 ** 20 / size; n++) {
    yield { kind: "entry", name: Buffer.from(String(n).padStart(6, "0")) };
    yield { kind: "file", executable: false, size };
    yield { kind: "bytes", bytes: random.subarray(n * size, (n + 1) * size) };
    yield { kind: "file-end" };
  }
  yield { kind: "directory-end" };
}

async function narParts(size: number, name: string): Promise<Part[]> {
  const nar = Buffer.concat(await Array.fromAsync(encodeNar(tree(size))));
  const read = () => {
    const parser = new NarParser();
    for (let at = 0; at < nar.length; at += PIECE) for (const _ of parser.push(nar.subarray(at, at + PIECE)));
    parser.end();
    return nar.length / MEGABYTE;
  };
  const write = async () => (await lengthOf(encodeNar(tree(size)))) / MEGABYTE;
  const limit = { unit: "MB", limit: hashOnce, limitName: "SHA-256 of the same bytes" };
  return [
    { name: `NAR read, files of ${name}`, ours: read, ...limit },
    { name: `NAR written, files of ${name}`, ours: write, ...limit },
  ];
}

async function zstdParts(): Promise<Part[]> {
  const packed = await atOnce(packing, level(3));
  async function* encodedPieces() {
    yield* inPieces(packed);
  }
  const sum = async (source: AsyncIterable<unknown>) => {
    for await (const _ of source);
    return SIZE / MEGABYTE;
  };
  const packLimit = (bytes: Uint8Array, value: number) => async () => {
    await atOnce(bytes, level(value));
    return SIZE / MEGABYTE;
  };
  return [
    {
      name: "upload: zstd of what shrinks 3:1",
      unit: "MB",
      ours: () => sum(encode(inPieces(packing))),
      limit: packLimit(packing, 1),
      limitName: "zstd level 1 in one call",
    },
    {
      name: "upload: random bytes tried and left as they are",
      unit: "MB",
      ours: () => sum(encode(inPieces(random))),
      limit: packLimit(random, 1),
      limitName: "zstd level 1 of all of it",
    },
    {
      name: "upload: zstd undone",
      unit: "MB",
      ours: () => sum(decoded(Codec.ZSTD, encodedPieces())),
      limit: async () => (await backAtOnce(packed)).length / MEGABYTE,
      limitName: "zstd undone in one call",
    },
    {
      name: "output cache: zstd of what shrinks 3:1",
      unit: "MB",
      ours: () => sum(compressed(inPieces(packing))),
      limit: packLimit(packing, 1),
      limitName: "zstd level 1 in one call",
    },
  ];
}

/** The parts through which bytes stream. */
export async function streamParts(): Promise<Part[]> {
  const frames = Buffer.concat([piece, piece].map(payload => encodeFrame(FrameType.data, payload)));
  const memory = { unit: "MB", limit: copy, limitName: "copying 64 KiB in memory" };
  const readFrames = () => {
    const decoder = new FrameDecoder();
    let length = 0;
    for (let at = 0; at < frames.length; at += 16_000) {
      for (const { payload } of decoder.feed(frames.subarray(at, at + 16_000))) length += payload.length;
    }
    return length / MEGABYTE;
  };
  return [
    { name: "frames written", ours: () => encodeFrame(FrameType.data, piece).length / MEGABYTE, ...memory },
    { name: "frames read, from fragments of 16 kB", ours: readFrames, ...memory },
    ...(await narParts(512, "512 bytes")),
    ...(await narParts(1 << 20, "1 MiB")),
    { name: "hash of pieces", unit: "MB", ours: hashPieces, limit: hashOnce, limitName: "SHA-256 in one call" },
    ...(await zstdParts()),
  ];
}
