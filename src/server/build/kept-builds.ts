import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";
import { BuildOutcome, BuildResultSchema } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { type BuildId, parseId } from "../../lib/ids.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { State, StoredBuild } from "../../state/state.ts";
import type { ServerLimits } from "../limits.ts";
import { refuse } from "../refusal.ts";
import { EventFile } from "./event-file.ts";
import type { Roots } from "./roots.ts";

/** The end of a build is not kept yet: the disk was full when it came. */
function stillUnkept() {
  const fix = "try again when the builder's disk has room";
  return refuse(Reason.DISK_FULL, Code.Unavailable, "the builder's disk is full: it cannot keep how the build ended", {
    fix,
  });
}

/** What is kept of builds stands on this. */
export interface KeptBuildsParts {
  readonly state: State;
  readonly limits: ServerLimits;
  /** Holds a folder for each build. */
  readonly folder: string;
  readonly roots: Roots;
  readonly log: Logger;
  readonly now: () => number;
}

/** What the data folder holds of builds: their events, their roots, and what a restart finds. */
export class KeptBuilds {
  readonly #parts: KeptBuildsParts;

  constructor(parts: KeptBuildsParts) {
    this.#parts = parts;
  }

  /** Opens the events of a build. `onError` hears when they cannot be written. */
  async events(id: BuildId, onError?: (error: unknown) => void): Promise<EventFile> {
    const folder = join(this.#parts.folder, id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await EventFile.open(join(folder, "events"), {
      maxBytes: this.#parts.limits.maxEventBytes,
      gatherTime: this.#parts.limits.gatherTime,
      onError: error => {
        this.#parts.log.error({ build: id, err: error }, "cannot write the events of a build");
        onError?.(error);
      },
    });
  }

  /** The events of a build as it is kept. A result that a full disk kept out of the file is added: without one a watch would never end. */
  async endedEvents({ id, end }: StoredBuild): Promise<EventFile> {
    if (end === undefined) throw stillUnkept();
    const events = await this.events(id);
    events.append({ case: "result", value: fromBinary(BuildResultSchema, end.result) });
    return events;
  }

  /** Fails and refunds what a restart found unfinished, and sweeps what belongs to no build. */
  async restart(): Promise<void> {
    const { state, roots } = this.#parts;
    for (const build of state.unfinished()) await this.#fail(build);
    await this.forget();
    // One by one: there may be thousands, and few of them have roots.
    await roots.sweep(name => {
      const id = parseId<BuildId>(name);
      return id !== undefined && state.build(id)?.use === "committed";
    });
    await this.#sweep();
  }

  /** A crash may leave the events of a build that was forgotten. */
  async #sweep(): Promise<void> {
    const { state, folder } = this.#parts;
    for (const name of await readdir(folder)) {
      const id = parseId<BuildId>(name);
      if (id !== undefined && state.build(id) === undefined)
        await rm(join(folder, name), { recursive: true, force: true });
    }
  }

  async #fail({ id, receivedBytes = 0 }: StoredBuild): Promise<void> {
    const { state, now, log } = this.#parts;
    const result = create(BuildResultSchema, {
      outcome: BuildOutcome.BUILDER_FAILED,
      message: "the builder restarted",
      reason: Reason.RESTARTED,
      refunded: true,
    });
    const encoded = toBinary(BuildResultSchema, result);
    await state.refund(id, { at: now(), result: encoded, uploadedBytes: receivedBytes, downloadedBytes: 0 });
    const events = await this.events(id);
    events.append({ case: "result", value: result });
    await events.close();
    log.warn({ build: id }, "failed and refunded a build: the builder restarted");
  }

  /** Drops what keeps a build's paths from collection. */
  async dropRoots(id: BuildId): Promise<void> {
    await this.#parts.roots.drop(id);
  }

  /** Drops what keeps one path of a build from collection. */
  async dropRoot(id: BuildId, path: StorePath): Promise<void> {
    await this.#parts.roots.release(id, path);
  }

  /** Forgets ended builds beyond those that are kept, with their files and roots. */
  async forget(): Promise<void> {
    const { state, limits, folder } = this.#parts;
    for (const id of await state.forget(limits.keepBuilds)) {
      await this.dropRoots(id);
      await rm(join(folder, id), { recursive: true, force: true });
    }
  }
}
