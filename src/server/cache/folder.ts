import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../lib/system-error.ts";
import { formatSha256, type Sha256 } from "../../nix/hash.ts";
import { STORE_DIR } from "../../nix/store-path.ts";

/** A substituter of Nix asks others first: cache.nixos.org has 40. */
const CACHE_INFO = `StoreDir: ${STORE_DIR}\nWantMassQuery: 1\nPriority: 50\n`;

/** Where a binary cache has its files: Nix's own layout, so that any web server, or `file://`, serves it as it is. */
export class CacheFolder {
  readonly root: string;
  readonly nars: string;
  /** Files that are not whole yet; nothing in it outlives the process that made it. */
  readonly temporary: string;
  /** The public key of whoever signed the entries. */
  readonly keyFile: string;
  #count = 0;

  constructor(root: string) {
    this.root = root;
    this.nars = join(root, "nar");
    this.temporary = join(root, "tmp");
    this.keyFile = join(root, "signing-public.key");
  }

  /** Makes the folders that lack, for the service alone, and removes what is not whole. */
  async prepare(): Promise<void> {
    await rm(this.temporary, { recursive: true, force: true });
    for (const folder of [this.root, this.nars, this.temporary]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
    }
    await this.writeWhole(join(this.root, "nix-cache-info"), CACHE_INFO);
  }

  /** `key`: the digest in the path's name. */
  narInfoFileOf(key: string): string {
    return join(this.root, `${key}.narinfo`);
  }

  narFile(fileHash: Sha256): string {
    return join(this.root, narUrl(fileHash));
  }

  /** A name for a file that is not whole yet. */
  temporaryFile(): string {
    this.#count += 1;
    return join(this.temporary, String(this.#count));
  }

  /** Writes a file so that it is there whole or not at all. Whether its name is on disk the folder's sync says. */
  async writeWhole(file: string, content: string | Uint8Array): Promise<void> {
    const beside = this.temporaryFile();
    try {
      const handle = await open(beside, "wx", 0o600);
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(beside, file);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  }
}

/** Where a narinfo says that its archive is. */
export function narUrl(fileHash: Sha256): string {
  return `nar/${formatSha256(fileHash, "nix32").slice("sha256:".length)}.nar.zst`;
}

/** Lets the names in a folder reach the disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}

/** A text file's content, or `undefined` if there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
