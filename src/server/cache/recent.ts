import type { Lent, Pieces } from "./pieces.ts";

/** Bytes that are held. */
const RECENT = 1024 * 1024;

/** A piece, and how many hold it: this, and those to whom it is lent. */
interface Held {
  readonly at: number;
  readonly piece: Uint8Array;
  holders: number;
}

/** The end of a file that grows, piece by piece. The memory of a piece is given back once nobody holds it. */
export class Recent {
  readonly #pieces: Pieces;
  readonly #held: Held[] = [];

  constructor(pieces: Pieces) {
    this.#pieces = pieces;
  }

  /** The next piece, which begins at this position of the file. The oldest are let go. */
  add(at: number, piece: Uint8Array): void {
    this.#held.push({ at, piece, holders: 1 });
    for (let [oldest] = this.#held; oldest && at + piece.length - oldest.at > RECENT; [oldest] = this.#held) {
      this.#held.shift();
      this.#letGo(oldest);
    }
  }

  /** At most so many bytes at a position, out of one piece; `undefined` where they were let go. */
  lend(position: number, most: number): Lent | undefined {
    const held = this.#held.findLast(({ at, piece }) => at <= position && position < at + piece.length);
    if (held === undefined) return undefined;
    held.holders += 1;
    const begin = position - held.at;
    let done = false;
    return {
      bytes: held.piece.subarray(begin, begin + most),
      done: () => {
        if (!done) this.#letGo(held);
        done = true;
      },
    };
  }

  /** Lets all go. */
  forget(): void {
    for (const held of this.#held.splice(0)) this.#letGo(held);
  }

  #letGo(held: Held): void {
    held.holders -= 1;
    if (held.holders === 0) this.#pieces.give(held.piece);
  }
}
