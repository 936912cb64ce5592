import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BuildEvent } from "../../client/events.ts";
import { stateFolder } from "../../client/paths.ts";
import { nameOf } from "./lines.ts";

/**
 * The whole log of one build in a file, kept only if the build fails: what `--quiet` hides and a terminal scrolls away can then be read.
 * Where no file can be written there is none, and the build goes on.
 */
export class BuildLog {
  readonly #folder: string | undefined;
  #file: { handle: FileHandle; path: string } | undefined;
  #empty = true;

  constructor(env: Record<string, string | undefined>) {
    const state = stateFolder(env);
    this.#folder = state && join(state, "logs");
  }

  /** Writes what a log event says. */
  async take(event: BuildEvent): Promise<void> {
    if (event.kind === "opened") await this.#open(event.buildId);
    if (event.kind !== "log" || this.#file === undefined) return;
    const text = event.path ? `${nameOf(event.path)}> ${event.text}` : event.text;
    this.#empty = false;
    try {
      await this.#file.handle.write(`${text}\n`);
    } catch {
      // Half a copy of the log is of no use, and a full disk here is no reason to end the build.
      await this.discard();
    }
  }

  /** Ends the log and says where it is, if there is anything in it. */
  async keep(): Promise<string | undefined> {
    if (this.#empty) await this.discard();
    await this.#file?.handle.close();
    return this.#file?.path;
  }

  /** Ends the log and removes it. */
  async discard(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#file.handle.close();
    await rm(this.#file.path, { force: true });
    this.#file = undefined;
  }

  async #open(buildId: string): Promise<void> {
    if (this.#file !== undefined || this.#folder === undefined) return;
    const path = join(this.#folder, `${buildId.slice(0, 12)}.log`);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      this.#file = { handle: await open(path, "w", 0o600), path };
    } catch {
      // A folder that cannot be written costs the copy of the log, nothing else: the lines are on the screen.
      this.#file = undefined;
    }
  }
}
