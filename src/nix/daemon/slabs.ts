/** Bytes of one piece of memory that many reads fill. */
const SLAB = 1024 * 1024;
/** Least room for a read: what is left of a slab is given up below it. More than a Unix socket holds by default (208 KiB) would only be given up more often. */
const LEAST = 128 * 1024;

/**
 * Memory for what is read from a socket: one read after another is laid into the same slab, and a full slab is never written again, so what was read
 * may be kept. Memory of its own for each read costs Node two allocations and V8 many more collections, and ends each read at 64 KiB.
 */
export class Slabs {
  #slab = Buffer.allocUnsafeSlow(SLAB);
  #filled = 0;

  /** Where the next read goes. */
  get room(): Uint8Array {
    if (SLAB - this.#filled < LEAST) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB);
      this.#filled = 0;
    }
    return this.#slab.subarray(this.#filled);
  }

  /** The bytes of a read that filled so much of the room. */
  take(length: number): Uint8Array {
    const bytes = this.#slab.subarray(this.#filled, this.#filled + length);
    this.#filled += length;
    return bytes;
  }
}
