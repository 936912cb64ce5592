import { mkdir, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { BuildId } from "../../lib/ids.ts";
import type { Store } from "../../nix/store.ts";
import { baseName, type StorePath } from "../../nix/store-path.ts";
import type { LiveBuild } from "./live-build.ts";

/** The links in the data folder that keep store paths of builds from the garbage collector: indirect roots. */
export class Roots {
  readonly #folder: string;

  /** `folder`: absolute; Nix follows the links from there. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Keeps these paths for a build. Repeating changes nothing. */
  async keep(build: BuildId, paths: readonly StorePath[], store: Store): Promise<void> {
    const folder = join(this.#folder, build);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const present = new Set(await readdir(folder));
    for (const path of paths) {
      const name = baseName(path);
      const link = join(folder, name);
      if (!present.has(name)) await symlink(path, link);
      await store.addIndirectRoot(link);
    }
  }

  /** Keeps the finished outputs of a build that its client has not fetched yet. */
  async keepOutputs(build: Pick<LiveBuild, "id" | "ready" | "fetched">, store: Store): Promise<void> {
    const paths = [...build.ready].filter(path => !build.fetched.has(path));
    await this.keep(build.id, paths, store);
    for (const path of paths) if (build.fetched.has(path)) await this.release(build.id, path);
  }

  /** Keeps one path for this build no longer. Nix forgets the link that is gone when it collects. */
  async release(build: BuildId, path: StorePath): Promise<void> {
    await rm(join(this.#folder, build, baseName(path)), { force: true });
  }

  /** Keeps nothing for this build any more. */
  async drop(build: BuildId): Promise<void> {
    await rm(join(this.#folder, build), { recursive: true, force: true });
  }

  /** Drops the builds that are not wanted any more. */
  async sweep(wanted: (build: string) => boolean): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const build of await readdir(this.#folder)) {
      if (!wanted(build)) await rm(join(this.#folder, build), { recursive: true, force: true });
    }
  }
}
