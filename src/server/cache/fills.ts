import type { Logger } from "pino";
import { Permits } from "../../lib/permits.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { OpenStore } from "../../nix/store.ts";
import { hashPart } from "../../nix/store-path.ts";
import { Stores } from "../stores.ts";
import type { CacheRoom } from "./cache-room.ts";
import { Fill } from "./fill.ts";
import type { CacheFolder } from "./folder.ts";
import type { Keeper } from "./keeper.ts";
import { fillFrom } from "./nar-of.ts";
import { NoRoom } from "./source.ts";

/** What fills stand on. */
export interface FillsParts {
  readonly folder: CacheFolder;
  readonly keeper: Keeper;
  readonly room: CacheRoom;
  readonly openStore: OpenStore;
  /** Fills at once, each with a daemon connection. */
  readonly maxFills: number;
  /** How long a path waits until it may fill, in milliseconds. */
  readonly patience: number;
  /** How long a daemon connection waits for its next fill, in milliseconds. */
  readonly idleTime: number;
  /** Those under way, by the hash in the path's name; empty at first. */
  readonly underWay: Map<string, Fill>;
  readonly closed: AbortSignal;
  /** Hears that the cache has no room. */
  readonly trouble: (error: NoRoom) => void;
  readonly log: Logger;
}

/** The paths that a cache takes from Nix at this moment, each once. */
export class Fills {
  readonly #parts: FillsParts;
  readonly #stores: Stores;
  readonly #permits: Permits;

  constructor(parts: FillsParts) {
    this.#parts = parts;
    this.#stores = new Stores(parts.openStore, parts.maxFills, { idleTime: parts.idleTime });
    this.#permits = new Permits(parts.maxFills);
  }

  /** The one of that path, if it is under way. */
  get(info: PathInfo): Fill | undefined {
    return this.#parts.underWay.get(hashPart(info.path));
  }

  /** Begins those that are not under way. `undefined`: none is left; else settles once all have ended, and never rejects for what is wrong with a path. */
  begin(infos: readonly PathInfo[]): Promise<void> | undefined {
    const { folder, room, underWay } = this.#parts;
    const fillRoom = {
      temporaryFile: () => folder.temporaryFile(),
      grow: (before: number, bytes: number) => room.grow(before, bytes),
    };
    const fills: Fill[] = [];
    for (const info of infos) {
      if (this.get(info) !== undefined) continue;
      const fill = new Fill(info, fillRoom);
      underWay.set(hashPart(info.path), fill);
      fills.push(fill);
    }
    return fills.length > 0 ? this.#fill(fills) : undefined;
  }

  /** Ends the conversations with Nix; none may be under way. */
  close(): void {
    this.#stores.close();
  }

  async #fill(fills: readonly Fill[]): Promise<void> {
    const began = performance.now();
    await this.#read(fills);
    await Promise.all(fills.map(fill => this.#finish(fill, began)));
  }

  /** Reads them from Nix in one conversation. What goes wrong with one of several is not the others' fault: those that are left are read one by one. */
  async #read(fills: readonly Fill[]): Promise<void> {
    const { keeper, closed } = this.#parts;
    try {
      await keeper.room();
      const release = await this.#permit();
      await this.#stores.use(closed, store => fillFrom(store, fills)).finally(release);
    } catch (error) {
      const alone = fills.length === 1 || error instanceof NoRoom;
      for (const fill of fills) {
        if (fill.settled) continue;
        if (alone) fill.fail(error);
        else await this.#read([fill]);
      }
    }
  }

  async #finish(fill: Fill, began: number): Promise<void> {
    const { info } = fill;
    const { log, trouble, underWay } = this.#parts;
    try {
      fill.check();
      await this.#keep(fill);
      const seconds = (performance.now() - began) / 1000;
      log.debug({ path: info.path, narBytes: info.narSize, fileBytes: fill.size, seconds }, "cache filled");
    } catch (error) {
      fill.fail(error);
      await fill.discard();
      if (error instanceof NoRoom) trouble(error);
    } finally {
      fill.end();
      underWay.delete(hashPart(info.path));
    }
  }

  /** Somebody's huge paths may take all fills for long: then others' go past the cache. */
  async #permit(): Promise<() => void> {
    const patience = AbortSignal.timeout(this.#parts.patience);
    try {
      return await this.#permits.acquire(AbortSignal.any([this.#parts.closed, patience]));
    } catch (error) {
      throw patience.aborted ? new NoRoom("all fills are taken") : error;
    }
  }

  /** Its readers have all that they need, also if this fails. */
  async #keep({ info, whole, made }: Fill): Promise<void> {
    if (whole === undefined) return;
    try {
      await this.#parts.keeper.keep({ info, whole, made });
    } catch (cause) {
      throw new NoRoom("the cache cannot keep a file", { cause });
    }
  }
}
