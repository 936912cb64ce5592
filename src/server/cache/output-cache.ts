import type { Logger } from "pino";
import type { PathInfo } from "../../nix/path-info.ts";
import type { SecretKey } from "../../nix/signing-key.ts";
import type { OpenStore } from "../../nix/store.ts";
import { hashPart, type StorePath } from "../../nix/store-path.ts";
import { CacheRoom } from "./cache-room.ts";
import { WHOLE } from "./compress.ts";
import { Entries } from "./entries.ts";
import { openEntryFile } from "./entry-file.ts";
import type { Fill } from "./fill.ts";
import { Fills } from "./fills.ts";
import { CacheFolder, readIfThere } from "./folder.ts";
import { Keeper } from "./keeper.ts";
import { parsed, scan } from "./scan.ts";
import { type FileSource, NoRoom } from "./source.ts";

/** What a cache stands on. */
export interface OutputCacheParts {
  /** Absolute. */
  readonly folder: string;
  readonly openStore: OpenStore;
  /** Whose signatures its entries carry. */
  readonly key: SecretKey;
  /** Fills at once, each with a daemon connection. */
  readonly maxFills: number;
  /** Bytes of archives, or `undefined` for no limit. */
  readonly maxBytes: number | undefined;
  /** How long a path waits until it may fill, in milliseconds; then it goes past the cache. */
  readonly patience: number;
  /** How long a daemon connection waits for its next fill, in milliseconds. */
  readonly idleTime: number;
  /** Small paths are put on disk when for so many milliseconds no more of them came. */
  readonly quietTime: number;
  readonly log: Logger;
}

/** After trouble with its disk the cache rests for so many milliseconds. */
const REST = 10_000;
/** Small paths that are read from Nix in one conversation. */
const TOGETHER = 64;
/** How often the disk hears of an entry's use, in milliseconds. */
const TOUCH = 60_000;
/**
 * The builder's binary cache: signed outputs as Nix's own narinfos and compressed archives in a folder. It fills while it serves the first request,
 * each path once however many ask, and forgets the least recently used. Whether somebody may have a path is decided before it is asked here.
 */
export class OutputCache {
  readonly #parts: OutputCacheParts;
  readonly #folder: CacheFolder;
  readonly #entries = new Entries();
  readonly #keeper: Keeper;
  readonly #room: CacheRoom;
  readonly #fills: Fills;
  readonly #closed = new AbortController();
  readonly #ready: Promise<boolean>;
  readonly #running = new Set<Promise<void>>();
  #restUntil = 0;

  constructor(parts: OutputCacheParts) {
    this.#parts = parts;
    this.#folder = new CacheFolder(parts.folder);
    this.#keeper = new Keeper(this.#folder, this.#entries, parts.quietTime);
    const underWay = new Map<string, Fill>();
    this.#room = new CacheRoom(
      { folder: parts.folder, entries: this.#entries, fills: underWay, keeper: this.#keeper },
      parts.maxBytes,
    );
    this.#fills = new Fills({
      ...parts,
      folder: this.#folder,
      keeper: this.#keeper,
      room: this.#room,
      underWay,
      closed: this.#closed.signal,
      trouble: error => this.#trouble(error),
    });
    this.#ready = this.#scan();
  }

  async #scan(): Promise<boolean> {
    const { log, key, folder, maxBytes } = this.#parts;
    try {
      for (const entry of await scan(this.#folder, key.public)) this.#entries.add(entry);
      await this.#room.make(0);
      log.info({ folder, entries: this.#entries.count, bytes: this.#entries.bytes, maxBytes }, "output cache opened");
      return true;
    } catch (error) {
      log.error({ err: error, folder }, "the output cache cannot be used: outputs go straight from Nix");
      return false;
    }
  }

  /** The compressed NAR of a path as it was vouched for, from the cache or while it fills. `undefined`: it cannot be cached now. Close what you get. */
  async open(info: PathInfo): Promise<FileSource | undefined> {
    if (!(await this.#ready)) return undefined;
    const there = await this.#there(info);
    if (there !== undefined) return there;
    this.#begin([info]);
    const fill = this.#fills.get(info);
    return fill?.info.narHash === info.narHash ? fill.follow() : undefined;
  }

  /** Begins to fill what will be asked for soon; small paths are read from Nix several at a time. */
  async prefetch(infos: readonly PathInfo[]): Promise<void> {
    if (!(await this.#ready)) return;
    const lacking = infos.filter(info => this.#entries.get(hashPart(info.path))?.narHash !== info.narHash);
    const small = lacking.filter(info => info.narSize <= WHOLE);
    for (let at = 0; at < small.length; at += TOGETHER) this.#begin(small.slice(at, at + TOGETHER));
    for (const info of lacking) if (info.narSize > WHOLE) this.#begin([info]);
  }

  async #there(info: PathInfo): Promise<FileSource | undefined> {
    const entry = this.#entries.get(hashPart(info.path));
    if (entry === undefined || entry.narHash !== info.narHash) return undefined;
    const onClose = this.#entries.use(entry);
    const onDamage = () => {
      if (this.#entries.get(entry.key) !== entry) return;
      this.#parts.log.warn({ path: info.path }, "a file in the output cache is damaged: it is made again");
      this.#later(this.#keeper.remove(entry));
    };
    const file = this.#folder.narFile(entry.fileHash);
    try {
      const source = await openEntryFile({ file, entry, onDamage, onClose });
      if (source !== undefined) {
        if (Date.now() - entry.touched > TOUCH) this.#later(this.#keeper.touch(entry));
        return source;
      }
      onDamage();
    } catch (error) {
      this.#trouble(error);
    }
    onClose();
    return undefined;
  }

  /** Fills paths that are not filled already. A fill goes on to its end whoever leaves: its first reader may come again. */
  #begin(infos: readonly PathInfo[]): void {
    if (Date.now() < this.#restUntil || this.#closed.signal.aborted) return;
    const filling = this.#fills.begin(infos);
    if (filling !== undefined) this.#later(filling);
  }

  /** The disk failed, rather than that the cache is too small: for a while nothing more is tried. */
  #trouble(error: unknown): void {
    if (error instanceof NoRoom && error.cause === undefined) return;
    if (Date.now() >= this.#restUntil) {
      this.#parts.log.warn({ err: error }, "the output cache cannot write: outputs go straight from Nix for a while");
    }
    this.#restUntil = Date.now() + REST;
  }

  /** What a narinfo in the cache says, as it was vouched for then. */
  async infoOf(path: StorePath): Promise<PathInfo | undefined> {
    const entry = (await this.#ready) ? this.#entries.get(hashPart(path)) : undefined;
    const text = entry && (await readIfThere(this.#folder.narInfoFileOf(entry.key)));
    const info = text === undefined ? undefined : parsed(text)?.info;
    return info?.path === path && info.narHash === entry?.narHash ? info : undefined;
  }

  /** Work that nobody waits for but the end. */
  #later(work: Promise<unknown>): void {
    const told = work
      .then(
        () => undefined,
        error => this.#trouble(error),
      )
      .finally(() => this.#running.delete(told));
    this.#running.add(told);
  }

  /** Ends the fills that are under way, and waits for the disk. */
  async close(): Promise<void> {
    this.#closed.abort(new Error("the builder is stopping"));
    this.#keeper.hurry();
    await this.#ready;
    await Promise.all(this.#running);
    await this.#keeper.idle();
    this.#fills.close();
  }
}
