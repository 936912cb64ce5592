import { type FileHandle, mkdir, open, rm, symlink } from "node:fs/promises";
import type { NarEvent } from "./event.ts";
import { readNar } from "./reader.ts";

/** Unpacks a NAR to a path that does not exist yet. What it made is removed if it fails. Errors of the file system pass through. */
export async function restoreNar(nar: AsyncIterable<Uint8Array>, path: string | Buffer): Promise<void> {
  const restorer = new Restorer(Buffer.from(path));
  try {
    for await (const event of readNar(nar)) await restorer.put(event);
  } catch (error) {
    await restorer.undo();
    throw error;
  }
}

/** Follows the events with the path of the next node. Everything is made anew in folders made here, so no symlink is ever followed. */
class Restorer {
  readonly #path: Buffer;
  readonly #folders: Buffer[] = [];
  #node: Buffer;
  #file: FileHandle | undefined;
  #made = false;

  constructor(path: Buffer) {
    this.#path = path;
    this.#node = path;
  }

  async put(event: NarEvent): Promise<void> {
    switch (event.kind) {
      case "directory":
        await mkdir(this.#node);
        this.#folders.push(this.#node);
        break;
      case "entry":
        this.#node = Buffer.concat([this.#folders.at(-1) ?? this.#path, Buffer.from("/"), event.name]);
        return;
      case "directory-end":
        this.#folders.pop();
        return;
      case "symlink":
        await symlink(event.target, this.#node);
        break;
      case "file":
        this.#file = await open(this.#node, "wx", event.executable ? 0o777 : 0o666);
        break;
      case "bytes":
        await this.#file?.writeFile(event.bytes);
        return;
      case "file-end":
        await this.#file?.close();
        this.#file = undefined;
        return;
    }
    this.#made = true;
  }

  async undo(): Promise<void> {
    await this.#file?.close();
    // Not what was there before: then the first step failed.
    if (this.#made) await rm(this.#path, { recursive: true, force: true });
  }
}
