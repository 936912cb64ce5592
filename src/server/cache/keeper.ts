import { type FileHandle, rename, rm, stat, utimes } from "node:fs/promises";
import { formatNarInfo } from "../../nix/narinfo.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { hashPart } from "../../nix/store-path.ts";
import type { Entries, Entry } from "./entries.ts";
import { type CacheFolder, narUrl, syncFolder } from "./folder.ts";
import { stamp, type WholeFile } from "./source.ts";

/** A file that is whole and becomes that of an entry: bytes, or one that lies under another name. */
export interface Finished {
  readonly info: PathInfo;
  readonly whole: WholeFile;
  readonly made: Uint8Array | { readonly name: string; readonly handle: FileHandle };
}

interface Wish {
  readonly keep?: Finished;
  readonly remove?: Entry;
  readonly settle: (error: unknown) => void;
}

/** Entries that are put on disk together: syncing folders and files costs much less for many at once. */
const BATCH = 64;
/** Bytes that wait in memory for the disk; whoever brings more waits too. */
const MAX_WAITING = 16 * 1024 * 1024;
/** Bytes, and entries, that are not kept waiting for a quiet moment. */
const ENOUGH = { bytes: 4 * 1024 * 1024, entries: 2048 } as const;

/**
 * The one hand that changes the files of a cache, one batch after the other: an archive is on disk under its name before its narinfo is, and a
 * narinfo is gone before its archive. Small entries are put there when no more of them come: whoever fetches a thousand has their bytes from memory, and two files
 * for each are more work than to read, pack and send it.
 */
export class Keeper {
  readonly #folder: CacheFolder;
  readonly #entries: Entries;
  readonly #wishes: Wish[] = [];
  readonly #waiting: (() => void)[] = [];
  /** Milliseconds without a new entry that are a quiet moment. */
  #quiet: number;
  #bytes = 0;
  #working: Promise<void> | undefined;
  #hurried = false;
  #hurry: (() => void) | undefined;

  constructor(folder: CacheFolder, entries: Entries, quiet: number) {
    this.#folder = folder;
    this.#entries = entries;
    this.#quiet = quiet;
  }

  /** Makes an entry of it; one of the same path is replaced. Settles when it is on disk. */
  keep(keep: Finished): Promise<void> {
    return this.#wish({ keep }, bytesOf(keep));
  }

  /** Takes an entry out, at once for all who ask, and removes its files. */
  remove(entry: Entry): Promise<void> {
    this.#entries.remove(entry);
    return this.#wish({ remove: entry }, 0);
  }

  /** Remembers on disk that it was used just now. */
  async touch(entry: Entry): Promise<void> {
    const now = Date.now();
    entry.touched = now;
    await utimes(this.#folder.narInfoFileOf(entry.key), now / 1000, now / 1000);
  }

  /** Waits while the disk is behind. */
  async room(): Promise<void> {
    while (this.#bytes > MAX_WAITING) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  /** From now on nothing waits for a quiet moment. */
  hurry(): void {
    this.#quiet = 0;
    this.#press();
  }

  /** Waits for all that was asked. */
  async idle(): Promise<void> {
    await this.#working;
  }

  #wish(what: Pick<Wish, "keep" | "remove">, bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#bytes += bytes;
      const settle = (error: unknown) => {
        this.#bytes -= bytes;
        for (const wake of this.#waiting.splice(0)) wake();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#wishes.push({ ...what, settle });
      const small = what.keep?.made instanceof Uint8Array;
      if (!small || this.#bytes >= ENOUGH.bytes || this.#wishes.length >= ENOUGH.entries) this.#press();
      this.#working ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    await this.#quietMoment();
    while (this.#wishes.length > 0) {
      const batch = this.#wishes.splice(0, BATCH);
      const failed = await this.#fulfil(batch).catch((error: unknown) => new Map(batch.map(wish => [wish, error])));
      for (const wish of batch) wish.settle(failed.get(wish));
    }
    this.#working = undefined;
    this.#hurried = false;
  }

  #press(): void {
    this.#hurried = true;
    this.#hurry?.();
  }

  /** Waits until no more comes, or what there is should not wait. */
  async #quietMoment(): Promise<void> {
    // Those of the same moment are of one batch.
    await undefined;
    for (let before = 0; !this.#hurried && this.#quiet > 0 && this.#wishes.length > before; ) {
      before = this.#wishes.length;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, this.#quiet);
      this.#hurry = resolve;
      await promise;
      clearTimeout(timer);
    }
    this.#hurry = undefined;
  }

  /** Gives the errors of those that failed. */
  async #fulfil(batch: readonly Wish[]): Promise<Map<Wish, unknown>> {
    const failed = new Map<Wish, unknown>();
    const each = (work: (wish: Wish) => Promise<void>) =>
      Promise.all(
        batch.map(async wish => {
          if (!failed.has(wish)) await work(wish).catch(error => failed.set(wish, error));
        }),
      );
    const gone: Entry[] = [];
    await each(async ({ remove }) => {
      if (remove === undefined) return;
      gone.push(remove);
      await rm(this.#folder.narInfoFileOf(remove.key), { force: true });
    });
    await each(async ({ keep }) => {
      if (keep !== undefined) await this.#place(keep);
    });
    await syncFolder(this.#folder.nars);
    await each(async ({ keep }) => {
      if (keep !== undefined) gone.push(...(await this.#name(keep)));
    });
    // Only now: another of this batch may have had the same content.
    for (const { fileHash } of gone) {
      if (!this.#entries.hasFile(fileHash)) await rm(this.#folder.narFile(fileHash), { force: true });
    }
    await syncFolder(this.#folder.root);
    return failed;
  }

  async #place({ whole, made }: Finished): Promise<void> {
    const file = this.#folder.narFile(whole.fileHash);
    if (made instanceof Uint8Array) return await this.#folder.writeWhole(file, made);
    await made.handle.sync();
    await rename(made.name, file);
  }

  /** Writes the narinfo: now it is an entry. Gives the one that it replaces. */
  async #name({ info, whole: { fileHash, fileSize } }: Finished): Promise<Entry[]> {
    const key = hashPart(info.path);
    const verified = { stamp: stamp(await stat(this.#folder.narFile(fileHash))), at: Date.now() };
    const text = formatNarInfo({ info, url: narUrl(fileHash), compression: "zstd", fileHash, fileSize });
    await this.#folder.writeWhole(this.#folder.narInfoFileOf(key), text);
    const before = this.#entries.get(key);
    if (before !== undefined) this.#entries.remove(before);
    this.#entries.add({ key, narHash: info.narHash, fileHash, fileSize, touched: Date.now(), verified });
    return before === undefined ? [] : [before];
  }
}

function bytesOf({ made }: Finished): number {
  return made instanceof Uint8Array ? made.length : 0;
}
