import type { Sha256 } from "../../nix/hash.ts";

/** What the cache holds of one path. */
export interface Entry {
  /** The digest in the path's name: narinfos are named for it. */
  readonly key: string;
  readonly narHash: Sha256;
  readonly fileHash: Sha256;
  /** Bytes of the archive as it lies there. */
  readonly fileSize: number;
  /** Last use that the disk knows of, in milliseconds since 1970. */
  touched: number;
  /** How the file looked when its bytes were last known to have their hash, and when that was in milliseconds since 1970. */
  verified: { readonly stamp: string; readonly at: number } | undefined;
  /** Its bytes are being hashed. */
  verifying?: Promise<boolean>;
}

interface CachedFile {
  readonly size: number;
  readonly keys: Set<string>;
  /** Who reads it now. */
  users: number;
}

/** What a cache holds, the least recently used first. Two paths of one content share a file. */
export class Entries {
  readonly #entries = new Map<string, Entry>();
  readonly #files = new Map<Sha256, CachedFile>();
  #bytes = 0;

  /** Bytes of all files. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  hasFile(fileHash: Sha256): boolean {
    return this.#files.has(fileHash);
  }

  /** Adds an entry as the one used last. One of the same key must be removed before. */
  add(entry: Entry): void {
    this.#entries.set(entry.key, entry);
    const file = this.#files.get(entry.fileHash) ?? { size: entry.fileSize, keys: new Set(), users: 0 };
    if (file.keys.size === 0) this.#bytes += file.size;
    file.keys.add(entry.key);
    this.#files.set(entry.fileHash, file);
  }

  /** Takes an entry out. Its file goes with the last that has it. */
  remove(entry: Entry): void {
    if (this.#entries.get(entry.key) !== entry) return;
    this.#entries.delete(entry.key);
    const file = this.#files.get(entry.fileHash);
    if (!file?.keys.delete(entry.key) || file.keys.size > 0) return;
    this.#files.delete(entry.fileHash);
    this.#bytes -= file.size;
  }

  /** Somebody reads it: it is the last to go, and stays until the returned function is called. */
  use(entry: Entry): () => void {
    if (this.#entries.delete(entry.key)) this.#entries.set(entry.key, entry);
    const file = this.#files.get(entry.fileHash);
    if (file !== undefined) file.users += 1;
    return () => {
      if (file !== undefined) file.users -= 1;
    };
  }

  /** The least recently used that nobody reads. */
  oldest(): Entry | undefined {
    for (const entry of this.#entries.values()) {
      if ((this.#files.get(entry.fileHash)?.users ?? 0) === 0) return entry;
    }
    return undefined;
  }
}
