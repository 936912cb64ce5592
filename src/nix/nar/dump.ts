import type { Stats } from "node:fs";
import { constants, type FileHandle, lstat, open, readdir, readlink } from "node:fs/promises";
import { FormatError, quoted } from "../format-error.ts";
import { encodeNar } from "./encode.ts";
import { NAR_LIMITS, type NarEvent } from "./event.ts";

/** Files are read in pieces of this many bytes. */
const CHUNK = 64 << 10;

/** The NAR of a file, symlink or folder, in constant memory (but for the names of the folders on the way down). Errors of the file system pass through. */
export function dumpPath(path: string | Buffer): AsyncGenerator<Uint8Array, void, void> {
  return encodeNar(readTree(Buffer.from(path)));
}

/** What a NAR of this path says. */
async function* readTree(path: Buffer, depth = 0): AsyncGenerator<NarEvent, void, void> {
  const stats = await lstat(path);
  if (stats.isSymbolicLink()) yield { kind: "symlink", target: await readlink(path, { encoding: "buffer" }) };
  else if (stats.isDirectory()) yield* readFolder(path, depth + 1);
  else if (stats.isFile()) yield* readFile(path, stats);
  else throw new FormatError(`${quoted(path.toString())} is neither a file nor a folder nor a symlink`);
}

async function* readFolder(path: Buffer, depth: number): AsyncGenerator<NarEvent, void, void> {
  if (depth > NAR_LIMITS.depth) throw new FormatError(`${quoted(path.toString())} is too deep for an archive`);
  yield { kind: "directory" };
  for (const name of (await readdir(path, { encoding: "buffer" })).sort(Buffer.compare)) {
    yield { kind: "entry", name };
    yield* readTree(Buffer.concat([path, Buffer.from("/"), name]), depth);
  }
  yield { kind: "directory-end" };
}

async function* readFile(path: Buffer, { mode, size }: Stats): AsyncGenerator<NarEvent, void, void> {
  // It was a file a moment ago: if it is a symlink or a pipe now, neither follow nor wait.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    yield { kind: "file", executable: (mode & constants.S_IXUSR) !== 0, size };
    for await (const bytes of readPieces(file)) yield { kind: "bytes", bytes };
    yield { kind: "file-end" };
  } finally {
    await file.close();
  }
}

async function* readPieces(file: FileHandle): AsyncGenerator<Uint8Array, void, void> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(CHUNK), 0, CHUNK);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
