import { FormatError, quoted } from "../format-error.ts";

/**
 * A NAR is a run of strings, each a length (64 bits, little endian), the bytes, and zeros up to a multiple of 8:
 *
 *     NAR   = "nix-archive-1" NODE
 *     NODE  = "(" "type" ( FILE | LINK | DIR ) ")"
 *     FILE  = "regular" [ "executable" "" ] "contents" BYTES
 *     LINK  = "symlink" "target" TARGET
 *     DIR   = "directory" { "entry" "(" "name" NAME "node" NODE ")" }
 *
 * Names ascend strictly by their bytes. There are no times, owners or other permissions.
 */

/** What a NAR says, in order. `entry` comes before each node of a directory, `bytes` between `file` and `file-end`. Names and targets need not be UTF-8. */
export type NarEvent =
  | { readonly kind: "directory" | "directory-end" | "file-end" }
  | { readonly kind: "entry"; readonly name: Buffer }
  | { readonly kind: "file"; readonly executable: boolean; readonly size: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "symlink"; readonly target: Buffer };

/** Limits of a NAR: folders in one another, and bytes of names and of link targets. */
export const NAR_LIMITS = { depth: 512, name: 255, target: 4095 } as const;

/** What every NAR starts with. */
export const NAR_MAGIC = "nix-archive-1";

/** Refuses what cannot be the name of a directory entry, or does not come after the one before it. */
export function checkEntryName(name: Buffer, previous: Buffer | undefined): void {
  const text = name.toString("latin1");
  const bad = text === "" || text === "." || text === ".." || /[/\0]/.test(text) || name.length > NAR_LIMITS.name;
  if (bad) throw new FormatError(`an archive has the file name ${quoted(text)}`);
  if (previous && Buffer.compare(previous, name) >= 0) {
    throw new FormatError(`an archive has the file name ${quoted(text)} after ${quoted(previous.toString("latin1"))}`);
  }
}

/** Refuses what cannot be the target of a symlink. */
export function checkTarget(target: Buffer): void {
  const bad = target.length === 0 || target.length > NAR_LIMITS.target || target.includes(0);
  if (bad) throw new FormatError(`an archive has the link target ${quoted(target.toString("latin1"))}`);
}

/** How many zeros follow so many bytes. */
export function paddingOf(size: number): number {
  return (8 - (size % 8)) % 8;
}
