import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";
import { BuildOutcome } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { Store } from "../../nix/store.ts";
import type { State } from "../../state/state.ts";
import { refusalOf } from "../faults.ts";
import type { ServerLimits } from "../limits.ts";
import { refuse } from "../refusal.ts";
import type { Builds } from "./builds.ts";
import { brokenBy, cancelled } from "./endings.ts";
import { FairQueue } from "./fair-queue.ts";
import type { LiveBuild } from "./live-build.ts";
import { ReadyOutputs } from "./ready-outputs.ts";
import { type RunParts, runBuild } from "./runner.ts";

/** What the scheduler stands on. */
export interface SchedulerParts extends RunParts {
  readonly builds: Builds;
  readonly state: State;
  readonly limits: ServerLimits;
  readonly log: Logger;
  readonly now: () => number;
}

/** Gives slots to builds whose inputs are there: a slot is held from the daemon's first word to its last, never during a transfer. */
export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #queue = new FairQueue<LiveBuild>();
  readonly #starting = new Map<LiveBuild, Promise<void>>();
  #running = 0;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  /** Builds that wait, in order. */
  get queued(): readonly LiveBuild[] {
    return this.#queue.order();
  }

  /** Lets builds run for which there is a slot: after the number of slots has changed. */
  fillSlots(): void {
    this.#kick();
  }

  /** Queues a build. Repeating it changes nothing. Throws a refusal if its inputs are not all there, or its outputs are not those of its derivations. */
  async start(build: LiveBuild): Promise<void> {
    if (build.phase === "reserved") {
      this.#parts.builds.checkTaking();
      build.phase = "starting";
      this.#starting.set(build, this.#start(build));
    }
    await this.#starting.get(build);
  }

  async #start(build: LiveBuild): Promise<void> {
    try {
      const allValid = await build.store.use(store => this.#prepare(build, store));
      if (build.phase !== "starting") return;
      build.queuedAt = this.#parts.now();
      if (allValid && !build.request.rebuild) return await this.#already(build);
      build.phase = "queued";
      this.#queue.add(build);
      build.ended.addEventListener("abort", () => this.#leave(build), { once: true });
      this.#kick();
    } catch (error) {
      const told = refusalOf(error);
      if (build.phase === "starting") build.phase = "reserved";
      if (told !== error) await this.#parts.builds.end(build, brokenBy(error));
      throw told;
    } finally {
      this.#starting.delete(build);
    }
  }

  /** Checks inputs and outputs, and protects the derivations. True if all outputs are valid already. */
  async #prepare(build: LiveBuild, store: Store): Promise<boolean> {
    const { targets } = build.request;
    const drvs = targets.map(target => target.drv);
    const lacking = build.inputs.firstLacking(drvs);
    if (lacking !== undefined) {
      throw refuse(Reason.PATH_NOT_NAMED, Code.FailedPrecondition, `the build needs ${lacking}, which is not sent`, {
        subject: lacking,
      });
    }
    await this.#parts.roots.keep(build.id, drvs, store);
    const real = await store.outputPaths(drvs);
    for (const [index, { drv, outputs }] of targets.entries()) {
      for (const [name, path] of outputs) if (real[index]?.get(name) !== path) throw notItsOutput(drv, name, path);
    }
    const wanted = targets.flatMap(target => [...target.outputs.values()]);
    await store.addTempRoots(wanted);
    const valid = await store.validPaths(wanted);
    return wanted.every(path => valid.has(path));
  }

  /** All outputs are valid: a use, and no slot. */
  async #already(build: LiveBuild): Promise<void> {
    // From here on its use is spent, also if it is cancelled before its end: its outputs can be fetched.
    build.phase = "running";
    if (!(await this.#commit(build))) return;
    await new ReadyOutputs(build, this.#parts.queries, async () => undefined).checkAll();
    await build.store.use(store => this.#parts.roots.keepOutputs(build, store));
    const targets = build.request.targets.map(({ drv }) => ({
      drv,
      outcome: BuildOutcome.BUILT,
      message: "",
      dependencyFailed: false,
    }));
    await this.#parts.builds.end(build, { outcome: BuildOutcome.BUILT, message: "", targets, refund: false });
  }

  #leave(build: LiveBuild): void {
    if (this.#queue.remove(build)) this.#tellPositions();
  }

  #kick(): void {
    while (this.#running < this.#parts.limits.maxConcurrentBuilds) {
      const build = this.#queue.take();
      if (build === undefined) break;
      void this.#run(build);
    }
    this.#tellPositions();
  }

  async #run(build: LiveBuild): Promise<void> {
    const { builds, log } = this.#parts;
    this.#running += 1;
    build.phase = "running";
    try {
      if (!(await this.#commit(build))) return;
      build.startedAt = this.#parts.now();
      build.events.append({ case: "started", value: {} });
      builds.changed.ring();
      log.info({ build: build.id, client: build.clientName }, "build started");
      await builds.end(build, await runBuild(build, this.#parts));
    } catch (error) {
      log.error({ build: build.id, err: error }, "a build broke");
      await builds.end(build, brokenBy(error));
    } finally {
      this.#running -= 1;
      this.#kick();
    }
  }

  /** Spends the use, on disk before anything is asked of the daemon. False if it is not there any more: then the build has ended. */
  async #commit(build: LiveBuild): Promise<boolean> {
    if (await this.#parts.state.commit(build.id, this.#parts.now())) {
      build.paid();
      return build.phase !== "ended";
    }
    const message = "the ticket was revoked before the build began";
    await this.#parts.builds.end(build, cancelled(message, true, Reason.TICKET_REVOKED));
    return false;
  }

  #tellPositions(): void {
    for (const [index, build] of this.#queue.order().entries()) {
      if (build.position === index + 1) continue;
      build.position = index + 1;
      build.events.append({ case: "queued", value: { position: build.position } });
    }
    this.#parts.builds.changed.ring();
  }
}

function notItsOutput(drv: string, name: string, path: string) {
  return refuse(Reason.MALFORMED, Code.InvalidArgument, `${path} is not the output ${name} of ${drv}`, {
    subject: path,
  });
}
