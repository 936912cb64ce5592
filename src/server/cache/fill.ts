import { createHash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { Sha256 } from "../../nix/hash.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { Notice } from "../notice.ts";
import { compressed, compressedWhole, WHOLE } from "./compress.ts";
import { type Lent, pieces, readPiece } from "./pieces.ts";
import { Recent } from "./recent.ts";
import { type FileSource, NoRoom, type WholeFile } from "./source.ts";

/** What a fill asks of its cache. */
export interface FillRoom {
  temporaryFile(): string;
  /** Makes room for so many bytes more than the fill has. Throws {@link NoRoom}. */
  grow(before: number, bytes: number): Promise<void>;
}

/** One path on its way into the cache: compressed into a file while any number of readers follow. A small one never is a file before it is whole. */
export class Fill {
  /** As it was vouched for. */
  readonly info: PathInfo;
  readonly #room: FillRoom;
  readonly #grown = new Notice();
  #file: { readonly name: string; readonly handle: FileHandle } | undefined;
  #bytes: Uint8Array | undefined;
  /** The end of the file: who follows closely needs no disk. */
  readonly #recent = new Recent(pieces);
  #size = 0;
  #whole: WholeFile | undefined;
  #failure: { readonly error: unknown } | undefined;
  #users = 1;

  constructor(info: PathInfo, room: FillRoom) {
    this.info = info;
    this.#room = room;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  get whole(): WholeFile | undefined {
    return this.#whole;
  }

  /** It is whole, or will never be. */
  get settled(): boolean {
    return this.#whole !== undefined || this.#failure !== undefined;
  }

  /** Throws what it failed with. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** What becomes the file of an entry: one that lies there, or bytes. */
  get made(): { readonly name: string; readonly handle: FileHandle } | Uint8Array {
    const made = this.#file ?? this.#bytes;
    if (made === undefined || this.#whole === undefined) throw new Error("the fill is not whole");
    return made;
  }

  /** Takes the NAR in. Throws what the NAR throws, or {@link NoRoom}. */
  async take(nar: AsyncIterable<Uint8Array>): Promise<void> {
    const hash = createHash("sha256");
    if (this.info.narSize <= WHOLE) {
      const bytes = await compressedWhole(nar);
      await this.#room.grow(0, bytes.length);
      hash.update(bytes);
      this.#bytes = bytes;
      this.#size = bytes.length;
    } else {
      this.#file = await this.#create();
      for await (const piece of compressed(nar)) {
        await this.#room.grow(this.#size, piece.length);
        hash.update(piece);
        await this.#append(piece);
      }
    }
    this.#whole = { fileHash: hash.digest("hex") as Sha256, fileSize: this.#size };
    this.#grown.ring();
  }

  async #create(): Promise<{ name: string; handle: FileHandle }> {
    const name = this.#room.temporaryFile();
    try {
      return { name, handle: await open(name, "wx+", 0o600) };
    } catch (cause) {
      throw new NoRoom("the cache cannot make a file", { cause });
    }
  }

  async #append(piece: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < piece.length; ) {
        const { bytesWritten } = (await this.#file?.handle.write(piece, at, piece.length - at, this.#size + at)) ?? {
          bytesWritten: 0,
        };
        at += bytesWritten;
      }
    } catch (cause) {
      throw new NoRoom("the cache cannot write a file", { cause });
    }
    this.#recent.add(this.#size, piece);
    this.#size += piece.length;
    this.#grown.ring();
  }

  /** Whoever follows hears of it. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#grown.ring();
  }

  /** The bytes from the beginning, as they come. */
  follow(): FileSource {
    this.#users += 1;
    const fill = this;
    let closed = false;
    return {
      how: "fill",
      get whole() {
        return fill.#whole;
      },
      read: (position, most, signal) => this.#read(position, most, signal),
      damaged: () => undefined,
      close: () => {
        if (!closed) this.#leave();
        closed = true;
      },
    };
  }

  async #read(position: number, most: number, signal: AbortSignal): Promise<Lent> {
    while (this.#size <= position && this.#whole === undefined) {
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#grown.wait(undefined, signal);
    }
    const length = Math.max(0, Math.min(most, this.#size - position));
    if (this.#file === undefined || length === 0) {
      return { bytes: this.#bytes?.subarray(position, position + length) ?? new Uint8Array(), done: () => undefined };
    }
    const recent = this.#recent.lend(position, length);
    if (recent !== undefined) return recent;
    const read = await readPiece(this.#file.handle, position, length);
    if (read.bytes.length < length) throw new Error("a file in the cache became shorter while it was read");
    return read;
  }

  /** The fill has become an entry, or has failed: once nobody follows any more its file is closed. */
  end(): void {
    this.#leave();
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    // What it holds is on disk by then, or not wanted.
    void this.#file?.handle.close().catch(() => undefined);
    this.#recent.forget();
  }

  /** Removes what a fill that failed has left. */
  async discard(): Promise<void> {
    if (this.#file !== undefined) await rm(this.#file.name, { force: true });
  }
}
