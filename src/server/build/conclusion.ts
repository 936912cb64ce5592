import { toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";
import { BuildOutcome, BuildResultSchema } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { BuildId } from "../../lib/ids.ts";
import type { BuildEnd, State } from "../../state/state.ts";
import { refuse } from "../refusal.ts";
import type { KeptBuilds } from "./kept-builds.ts";
import type { LiveBuild } from "./live-build.ts";
import { type Ending, resultOf } from "./record.ts";

/** What the end of a build needs. */
export interface ConclusionParts {
  readonly state: State;
  readonly kept: KeptBuilds;
  readonly log: Logger;
  readonly now: () => number;
  /** How long a result that could not be kept waits for the next attempt, in milliseconds. */
  readonly keepAgainTime: number;
}

/** Ends builds: keeps their results, tells them, frees what they hold. */
export class Conclusions {
  readonly #parts: ConclusionParts;
  /** Ends that could not be kept yet: the disk was full. */
  readonly #unkept = new Map<BuildId, { readonly refund: boolean; readonly end: BuildEnd }>();
  #again: NodeJS.Timeout | undefined;

  constructor(parts: ConclusionParts) {
    this.#parts = parts;
  }

  /** Ends a build. `told`: its result is in, so it lives no longer. Never throws. */
  async conclude(build: LiveBuild, ending: Ending, told: () => void): Promise<void> {
    const { now, log } = this.#parts;
    build.phase = "ended";
    build.end(refuse(ending.reason ?? Reason.UNSPECIFIED, Code.Aborted, ending.message || "the build has ended"));
    const at = now();
    const result = resultOf(build, ending, at);
    const encoded = toBinary(BuildResultSchema, result);
    const bytes = { uploadedBytes: build.inputs.received, downloadedBytes: build.downloaded.bytes };
    await this.keep(build.id, ending.refund, { at, result: encoded, ...bytes });
    build.events.append({ case: "result", value: result });
    // Only then may a watch read the file without this one.
    await build.events.flushed();
    told();
    log.info({ build: build.id, outcome: BuildOutcome[ending.outcome], refunded: ending.refund }, "build ended");
    await this.#tidy(build);
  }

  /** Keeps an end, now or as soon as the disk has room: until then its use is held, and a restart in between gives it back. */
  async keep(id: BuildId, refund: boolean, end: BuildEnd): Promise<void> {
    const { state, log, keepAgainTime } = this.#parts;
    try {
      // What was to be spent when the disk was full never was.
      const spent = !refund && state.build(id)?.use !== "reserved";
      await (spent ? state.finish(id, end) : state.refund(id, end));
      this.#unkept.delete(id);
    } catch (error) {
      if (!this.#unkept.has(id)) log.error({ build: id, err: error }, "cannot keep the end of a build; trying again");
      this.#unkept.set(id, { refund, end });
      this.#again ??= setTimeout(() => void this.#keepAgain(), keepAgainTime).unref();
    }
  }

  async #keepAgain(): Promise<void> {
    this.#again = undefined;
    for (const [id, { refund, end }] of [...this.#unkept]) await this.keep(id, refund, end);
  }

  /** Makes a last attempt at what could not be kept. */
  async close(): Promise<void> {
    clearTimeout(this.#again);
    await this.#keepAgain();
    clearTimeout(this.#again);
  }

  async #tidy(build: LiveBuild): Promise<void> {
    const { kept, log } = this.#parts;
    try {
      await build.events.close();
      if (build.ready.size === 0) await kept.dropRoots(build.id);
      await kept.forget();
    } catch (error) {
      log.error({ build: build.id, err: error }, "cannot tidy up after a build");
    }
  }
}
