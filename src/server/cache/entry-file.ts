import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { errorCode } from "../../lib/system-error.ts";
import type { Entry } from "./entries.ts";
import { type Lent, readPiece } from "./pieces.ts";
import { type FileSource, stamp } from "./source.ts";

const STEP = 1024 * 1024;
/** Within so many milliseconds a file is not hashed again because a reader left it early. */
const AGAIN = 600_000;

/** What becomes of an entry's file while it is read. */
export interface EntryFileOptions {
  readonly file: string;
  readonly entry: Entry;
  /** Its bytes are not what they were: the entry is of no use. */
  readonly onDamage: () => void;
  /** It is not read any more. */
  readonly onClose: () => void;
}

/**
 * Opens the file of an entry. Where it has changed since its bytes were last known to be right, or that is long ago and a reader has left it early, they are hashed
 * first.
 * `undefined`: it is not there, or damaged.
 */
export async function openEntryFile(options: EntryFileOptions): Promise<FileSource | undefined> {
  const { entry, file } = options;
  let handle: FileHandle;
  try {
    handle = await open(file, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    if (await isRight(handle, entry)) return new EntryFile(handle, options);
    await handle.close();
    return undefined;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** However many ask, the bytes are hashed once. */
async function isRight(handle: FileHandle, entry: Entry): Promise<boolean> {
  const found = stamp(await handle.stat());
  if (found === entry.verified?.stamp) return true;
  entry.verifying ??= hashOf(handle, entry.fileSize)
    .then(hash => {
      const right = hash === entry.fileHash;
      entry.verified = right ? { stamp: found, at: Date.now() } : undefined;
      return right;
    })
    .finally(() => delete entry.verifying);
  return await entry.verifying;
}

class EntryFile implements FileSource {
  readonly how = "hit";
  readonly whole: { fileHash: Entry["fileHash"]; fileSize: number };
  readonly #handle: FileHandle;
  readonly #options: EntryFileOptions;
  #reading: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(handle: FileHandle, options: EntryFileOptions) {
    const { fileHash, fileSize } = options.entry;
    this.whole = { fileHash, fileSize };
    this.#handle = handle;
    this.#options = options;
  }

  async read(position: number, most: number): Promise<Lent> {
    const length = Math.max(0, Math.min(most, this.whole.fileSize - position));
    const reading = readPiece(this.#handle, position, length);
    this.#reading = reading;
    const lent = await reading;
    if (lent.bytes.length < length) this.damaged();
    return lent;
  }

  damaged(): void {
    this.#options.onDamage();
  }

  close(whole: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    const { entry } = this.#options;
    // Whoever left early may have met what does not decompress. Not each time: leaving costs nothing, and hashing does.
    if (!whole && Date.now() - (entry.verified?.at ?? 0) > AGAIN) entry.verified = undefined;
    const end = () => this.#handle.close();
    // It was only read: there is nothing to lose by its end.
    void this.#reading.then(end, end).catch(() => undefined);
    this.#options.onClose();
  }
}

async function hashOf(handle: FileHandle, size: number): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(Math.min(STEP, Math.max(1, size + 1)));
  for (let at = 0; at <= size; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest("hex");
}
