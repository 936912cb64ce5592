import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { errorCode } from "../../lib/system-error.ts";
import type { Entry } from "./entries.ts";
import { type FileSource, stamp } from "./source.ts";

const STEP = 1024 * 1024;

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
 * Opens the file of an entry. Where it has changed since its bytes were last known to be right, or a reader has left it early, they are hashed first.
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
    const found = stamp(await handle.stat());
    if (found !== entry.verified && (await hashOf(handle, entry.fileSize)) !== entry.fileHash) {
      await handle.close();
      return undefined;
    }
    entry.verified = found;
    return new EntryFile(handle, options);
  } catch (error) {
    await handle.close();
    throw error;
  }
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

  async read(position: number, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const length = Math.max(0, Math.min(most, this.whole.fileSize - position));
    const buffer = new Uint8Array(length);
    if (length === 0) return buffer;
    const reading = this.#handle.read(buffer, 0, length, position);
    this.#reading = reading;
    const { bytesRead } = await reading;
    if (bytesRead < length) this.damaged();
    return buffer.subarray(0, bytesRead);
  }

  damaged(): void {
    this.#options.onDamage();
  }

  close(whole: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    // Whoever left early may have met what does not decompress.
    if (!whole) this.#options.entry.verified = undefined;
    const end = () => this.#handle.close();
    void this.#reading.then(end, end);
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
