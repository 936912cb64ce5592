import type { PathInfo } from "../../nix/path-info.ts";
import type { OutputCache } from "./output-cache.ts";

/** Paths that begin to fill before they are sent, whatever their size. */
export const FEW = 8;
/** Most paths that do, and bytes of their NARs together. Several at once cost the store and the disk little more than one. */
export const MANY = { paths: 256, bytes: 2 * 1024 * 1024 } as const;

/** Lets paths fill ahead of the one that is sent. */
export class Ahead {
  readonly #cache: Pick<OutputCache, "prefetch">;
  readonly #infos: readonly PathInfo[];
  /** From here on nothing has begun; and the bytes of what has, without what was sent. */
  #end = 0;
  #bytes = 0;

  constructor(cache: Pick<OutputCache, "prefetch">, infos: readonly PathInfo[]) {
    this.#cache = cache;
    this.#infos = infos;
  }

  /** The path at this index is sent next. To be called for each in turn. */
  async of(index: number): Promise<void> {
    this.#bytes -= this.#infos[index - 1]?.narSize ?? 0;
    // By halves, so that several begin together.
    if (this.#end - index > MANY.paths / 2) return;
    const begin = this.#end;
    for (let next = this.#infos[begin]; next !== undefined && this.#hasRoom(index, next); ) {
      this.#bytes += next.narSize;
      this.#end += 1;
      next = this.#infos[this.#end];
    }
    if (this.#end > begin) await this.#cache.prefetch(this.#infos.slice(begin, this.#end));
  }

  #hasRoom(index: number, { narSize }: PathInfo): boolean {
    const paths = this.#end - index;
    return paths < FEW || (paths < MANY.paths && this.#bytes + narSize <= MANY.bytes);
  }
}
