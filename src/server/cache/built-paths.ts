import { type FileHandle, open } from "node:fs/promises";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Store } from "../../nix/store.ts";
import { parseStorePath, type StorePath } from "../../nix/store-path.ts";

/**
 * Outputs that builds of ours made although the daemon does not call them its own: Nix's distributed builds. A file of lines `PATH NARHASH`; the hash
 * is there because the same path may later come from elsewhere with another content.
 */
export class BuiltPaths {
  readonly #file: FileHandle;
  readonly #hashes: Map<StorePath, string>;

  private constructor(file: FileHandle, hashes: Map<StorePath, string>) {
    this.#file = file;
    this.#hashes = hashes;
  }

  /** Reads the file or makes it. A line that a crash cut off is passed over. */
  static async open(path: string): Promise<BuiltPaths> {
    const file = await open(path, "a+", 0o600);
    const hashes = new Map<StorePath, string>();
    for (const line of (await file.readFile("utf8")).split("\n")) {
      const [text = "", hash = ""] = line.split(" ");
      const store = parseStorePath(text);
      if (store !== undefined && /^[0-9a-f]{64}$/.test(hash)) hashes.set(store, hash);
    }
    return new BuiltPaths(file, hashes);
  }

  /** Whether a build of ours made exactly this. */
  has(info: PathInfo): boolean {
    return this.#hashes.get(info.path) === info.narHash;
  }

  /** Notes what these derivations, which were built just now, have made. Says which of them have all their outputs, and need not be noted again. */
  async note(drvs: readonly StorePath[], store: Store): Promise<StorePath[]> {
    const made = (await store.outputPaths(drvs)).map(outputs => [...outputs.values()]);
    const outputs = made.flat().filter(path => path !== undefined);
    const valid = new Set<StorePath>();
    let lines = "";
    for (const info of await store.pathInfos(outputs)) {
      if (info === undefined) continue;
      valid.add(info.path);
      if (info.ultimate === true || this.has(info)) continue;
      this.#hashes.set(info.path, info.narHash);
      lines += `${info.path} ${info.narHash}\n`;
    }
    // The line feed before them ends a line that a crash cut off.
    if (lines !== "") await this.#file.appendFile(`\n${lines}`);
    return drvs.filter((_, index) => made[index]?.every(path => path !== undefined && valid.has(path)));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
