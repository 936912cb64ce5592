import { lstat, readFile, rename, writeFile } from "node:fs/promises";
import type { Logger } from "pino";
import { errorCode } from "../../lib/system-error.ts";

/** How many folders Nix may be made to keep. */
export interface KeptFolderLimits {
  readonly ofAll: number;
  readonly ofCredential: number;
  /** Time in milliseconds after which the system is taken to have cleaned up a folder that the builder cannot see: 10 days, as systemd does in /tmp. */
  readonly time: number;
}

const LIMITS: KeptFolderLimits = { ofAll: 16, ofCredential: 4, time: 10 * 24 * 3600 * 1000 };

interface KeptFolder {
  readonly folder: string;
  readonly credential: string;
  readonly at: number;
  /** The builder's user has seen it: once it sees it no more, it is gone. A service may have a /tmp of its own, which says nothing. */
  seen: boolean;
}

/** What it works with. */
export interface KeptFoldersParts {
  readonly log: Pick<Logger, "warn">;
  readonly now: () => number;
  readonly limits?: Partial<KeptFolderLimits>;
}

/**
 * Folders of builds that Nix keeps because somebody's rebuild differed: only the machine's owner can remove them, so there is a number of them that
 * nobody gets beyond. A file of the data folder remembers them.
 */
export class KeptFolders {
  readonly #file: string;
  readonly #parts: KeptFoldersParts;
  readonly #limits: KeptFolderLimits;
  readonly #taken = new Map<string, number>();
  #folders: KeptFolder[];
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, folders: KeptFolder[], parts: KeptFoldersParts) {
    this.#file = file;
    this.#folders = folders;
    this.#parts = parts;
    this.#limits = { ...LIMITS, ...parts.limits };
  }

  /** Reads the file, if there is one. */
  static async open(file: string, parts: KeptFoldersParts): Promise<KeptFolders> {
    return new KeptFolders(file, await readFolders(file), parts);
  }

  /** Takes places for folders, at most so many and perhaps none, until `done`. */
  async take(credential: string, most: number): Promise<{ readonly places: number; done(): void }> {
    await this.#forgetGone();
    const { ofAll, ofCredential } = this.#limits;
    const own =
      this.#folders.filter(kept => kept.credential === credential).length + (this.#taken.get(credential) ?? 0);
    const all = [...this.#taken.values()].reduce((sum, count) => sum + count, this.#folders.length);
    const places = Math.max(0, Math.min(most, ofCredential - own, ofAll - all));
    const change = (by: number) => this.#taken.set(credential, (this.#taken.get(credential) ?? 0) + by);
    change(places);
    if (places < most)
      this.#parts.log.warn({ credential, folders: this.#names() }, "Nix is told to keep no more: remove these");
    return {
      places,
      done: () => {
        if (change(-places).get(credential) === 0) this.#taken.delete(credential);
      },
    };
  }

  /** Nix keeps this folder. */
  note(credential: string, folder: string): void {
    const kept: KeptFolder = { folder, credential, at: this.#parts.now(), seen: false };
    this.#folders.push(kept);
    this.#writing = this.#writing
      .then(async () => {
        kept.seen = await isThere(folder);
        await this.#write();
      })
      .catch(error => this.#parts.log.warn({ err: error, folder }, "cannot remember a folder that Nix keeps"));
  }

  /** All that was noted is on disk. */
  async close(): Promise<void> {
    await this.#writing;
  }

  #names(): string[] {
    return this.#folders.map(({ folder }) => folder);
  }

  async #forgetGone(): Promise<void> {
    await this.#writing;
    const since = this.#parts.now() - this.#limits.time;
    const there = await Promise.all(
      this.#folders.map(async ({ folder, seen, at }) => (seen ? await isThere(folder) : at > since)),
    );
    if (there.every(Boolean)) return;
    const gone = new Set(this.#folders.filter((_, index) => there[index] === false));
    this.#folders = this.#folders.filter(kept => !gone.has(kept));
    await this.#write();
  }

  async #write(): Promise<void> {
    await writeFile(`${this.#file}.new`, JSON.stringify(this.#folders), { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }
}

async function readFolders(file: string): Promise<KeptFolder[]> {
  try {
    const read: unknown = JSON.parse(await readFile(file, "utf8"));
    return Array.isArray(read) ? read.filter(isKeptFolder) : [];
  } catch (error) {
    // A file that was damaged says as much as none.
    if (errorCode(error) === "ENOENT" || error instanceof SyntaxError) return [];
    throw error;
  }
}

function isKeptFolder(value: object): value is KeptFolder {
  const { folder, credential, at, seen } = { folder: 0, credential: 0, at: "", seen: 0, ...value };
  return (
    typeof folder === "string" && typeof credential === "string" && typeof at === "number" && typeof seen === "boolean"
  );
}

async function isThere(folder: string): Promise<boolean> {
  return await lstat(folder).then(
    () => true,
    error => errorCode(error) !== "ENOENT",
  );
}
