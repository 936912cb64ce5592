import type { Sha256 } from "../../nix/hash.ts";
import type { Lent } from "./pieces.ts";

/** A cached file as a whole. */
export interface WholeFile {
  readonly fileHash: Sha256;
  /** Bytes. */
  readonly fileSize: number;
}

/** The bytes of a cached file, whole or still growing. */
export interface FileSource {
  readonly how: "hit" | "fill";
  /** Known once the file is whole. */
  readonly whole: WholeFile | undefined;
  /** At most so many bytes from a position, none at the end. Waits while the file grows. Throws {@link NoRoom} if it will never be whole. */
  read(position: number, most: number, signal: AbortSignal): Promise<Lent>;
  /** Its bytes do not have its hash: it is not to be served again. */
  damaged(): void;
  /** Ends the use. `whole`: it was read to its end, and nothing was wrong with it. May be repeated. */
  close(whole: boolean): void;
}

/** The cache cannot take a path now: its disk is full, or everything in it is in use. The path can be had without it. */
export class NoRoom extends Error {
  override name = "NoRoom";
}

/** What changes with a file's content, as far as its file system notices. */
export function stamp({ ino, size, ctimeMs }: { ino: number; size: number; ctimeMs: number }): string {
  return `${ino} ${size} ${ctimeMs}`;
}
