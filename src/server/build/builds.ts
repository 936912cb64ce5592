import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";
import { BuildOutcome, type BuildRecord, BuildResultSchema } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { BuildId } from "../../lib/ids.ts";
import type { OpenStore } from "../../nix/store.ts";
import type { State, StoredBuild } from "../../state/state.ts";
import type { Owner } from "../../tickets/use.ts";
import type { Connection } from "../connection.ts";
import { builderFault, refusalOf } from "../faults.ts";
import type { ServerLimits } from "../limits.ts";
import { Notice } from "../notice.ts";
import type { Guest, Principal } from "../principal.ts";
import { refuse } from "../refusal.ts";
import { EventFile } from "./event-file.ts";
import { LiveBuild } from "./live-build.ts";
import { type Ending, liveRecord, resultOf, storedRecord } from "./record.ts";
import type { OpenRequest } from "./request.ts";
import type { Roots } from "./roots.ts";
import { useRefused } from "./use-refused.ts";

/** What the builds stand on. */
export interface BuildsParts {
  readonly state: State;
  readonly openStore: OpenStore;
  readonly limits: ServerLimits;
  /** Holds a folder for each build. */
  readonly folder: string;
  readonly roots: Roots;
  readonly log: Logger;
  readonly now: () => number;
}

/** A build that somebody may see: one that goes on, or one as it was kept. */
export type FoundBuild = { readonly live: LiveBuild } | { readonly stored: StoredBuild };

/** All builds: opens them, finds them for their owners, notices that nobody is there, and ends them. */
export class Builds {
  /** Rings whenever a build has moved on. */
  readonly changed = new Notice();
  readonly #parts: BuildsParts;
  readonly #live = new Map<BuildId, LiveBuild>();
  readonly #opening = new Map<BuildId, Promise<unknown>>();
  #draining = false;

  constructor(parts: BuildsParts) {
    this.#parts = parts;
  }

  /** Builds that have not ended, in the order of their opening. */
  get live(): readonly LiveBuild[] {
    return [...this.#live.values()];
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Takes no new builds from now on. */
  drain(): void {
    this.#draining = true;
    this.changed.ring();
  }

  /** Throws a refusal if the builder takes no new builds. */
  checkTaking(): void {
    if (!this.#draining) return;
    throw refuse(Reason.DRAINING, Code.Unavailable, "the builder is stopping and takes no new builds", {
      fix: "try again in a while",
    });
  }

  /** Reserves a use. The same again is free. Throws a refusal. */
  async open(request: OpenRequest, guest: Guest, connection: Connection): Promise<BuildRecord> {
    // Two calls that open the same id come one after the other.
    const before = this.#opening.get(request.build);
    const mine = Promise.resolve(before).then(() => this.#open(request, guest, connection));
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#opening.set(request.build, settled);
    try {
      return await mine;
    } finally {
      if (this.#opening.get(request.build) === settled) this.#opening.delete(request.build);
    }
  }

  async #open(request: OpenRequest, guest: Guest, connection: Connection): Promise<BuildRecord> {
    const { state, now } = this.#parts;
    const known = state.build(request.build);
    if (known === undefined) this.#checkRoom(guest.owner);
    const insteadOf = this.#abandoned(request.insteadOf, guest.owner);
    const reserved = await state.reserve(
      {
        build: request.build,
        owner: guest.owner,
        digest: request.digest,
        request: request.encoded,
        installable: request.installable,
        clientName: guest.name,
        ...(insteadOf && { insteadOf: insteadOf.id }),
      },
      now(),
    );
    if (typeof reserved === "string") throw useRefused(reserved);
    if (insteadOf)
      await this.#end(insteadOf, { ...CANCELLED, message: "another build took its place", refund: true }, true);
    if (reserved.end !== undefined) return storedRecord(reserved);
    const live = this.#live.get(request.build) ?? (await this.#begin(request, guest, reserved));
    this.attach(live, connection);
    return liveRecord(live);
  }

  #checkRoom(owner: Owner): void {
    this.checkTaking();
    const { maxOpenBuilds, maxOpenBuildsOfOwner } = this.#parts.limits;
    const own = this.live.filter(build => sameOwner(build.owner, owner)).length;
    if (this.#live.size < maxOpenBuilds && own < maxOpenBuildsOfOwner) return;
    const most = own < maxOpenBuildsOfOwner ? maxOpenBuilds : maxOpenBuildsOfOwner;
    throw refuse(Reason.LIMIT, Code.ResourceExhausted, `the builder has ${most} unfinished builds and takes no more`, {
      subject: String(most),
      fix: "try again when some have ended",
    });
  }

  /** The own reserved build without a connection whose use may move over. */
  #abandoned(id: BuildId | undefined, owner: Owner): LiveBuild | undefined {
    const build = id && this.#live.get(id);
    const free = build && build.phase === "reserved" && build.connections.size === 0 && sameOwner(build.owner, owner);
    return free ? build : undefined;
  }

  async #begin(request: OpenRequest, guest: Guest, reserved: StoredBuild): Promise<LiveBuild> {
    const { openStore, limits, log } = this.#parts;
    try {
      const events = await this.#events(request.build, error => this.#spoilt(request.build, error));
      const own = { openedAt: reserved.openedAt, events, openStore, maxNamedPaths: limits.maxNamedPaths };
      const live = new LiveBuild(request, guest, own);
      this.#live.set(live.id, live);
      log.info({ build: live.id, client: live.clientName, installable: live.installable }, "build opened");
      this.changed.ring();
      return live;
    } catch (error) {
      const result = toBinary(
        BuildResultSchema,
        create(BuildResultSchema, { outcome: BuildOutcome.BUILDER_FAILED, refunded: true }),
      );
      await this.#parts.state.refund(request.build, {
        at: this.#parts.now(),
        result,
        uploadedBytes: 0,
        downloadedBytes: 0,
      });
      throw refusalOf(error);
    }
  }

  async #events(id: BuildId, onError: (error: unknown) => void): Promise<EventFile> {
    const folder = join(this.#parts.folder, id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await EventFile.open(join(folder, "events"), { maxBytes: this.#parts.limits.maxEventBytes, onError });
  }

  #spoilt(id: BuildId, error: unknown): void {
    this.#parts.log.error({ build: id, err: error }, "cannot write the events of a build");
    const live = this.#live.get(id);
    if (live) void this.end(live, brokenBy(error));
  }

  /** The build of that id, if this principal may see it. Throws a refusal: another's build is simply unknown. */
  find(id: BuildId, principal: Principal): FoundBuild {
    const live = this.#live.get(id);
    const stored = live === undefined ? this.#parts.state.build(id) : undefined;
    const found = live ? { live } : stored && { stored };
    const owner = live?.owner ?? stored?.owner;
    if (found && owner && (principal.kind === "administrator" || sameOwner(owner, principal.owner))) return found;
    throw refuse(Reason.BUILD_UNKNOWN, Code.NotFound, "the builder knows no such build of this client", {
      subject: id,
    });
  }

  /** The same, of a build that has not ended. Throws a refusal. */
  findLive(id: BuildId, principal: Principal): LiveBuild {
    const found = this.find(id, principal);
    if ("live" in found) return found.live;
    throw refuse(Reason.BUILD_UNKNOWN, Code.FailedPrecondition, "that build has ended", { subject: id });
  }

  /** As it stands. */
  record(found: FoundBuild): BuildRecord {
    return "live" in found ? liveRecord(found.live) : storedRecord(found.stored);
  }

  /** Builds that this principal may see, newest first. */
  list(principal: Principal, most: number): BuildRecord[] {
    const mine = (owner: Owner) => principal.kind === "administrator" || sameOwner(owner, principal.owner);
    const live = this.live.filter(build => mine(build.owner)).map(liveRecord);
    const { state } = this.#parts;
    const kept = principal.kind === "guest" ? state.buildsOf(principal.owner, most) : state.recent(most);
    const ended = kept.filter(build => !this.#live.has(build.id)).map(storedRecord);
    return [...live.reverse(), ...ended].slice(0, most);
  }

  /** The events of a build that has ended. */
  async keptEvents(id: BuildId): Promise<EventFile> {
    return await this.#events(id, error => this.#parts.log.error({ build: id, err: error }, "cannot read events"));
  }

  /** The build lives while this connection does. */
  attach(build: LiveBuild, connection: Connection): void {
    if (build.phase === "ended" || build.connections.has(connection)) return;
    if (connection.ended.aborted) {
      this.#watchAlone(build);
      return;
    }
    clearTimeout(build.grace);
    build.connections.add(connection);
    const detach = () => {
      build.connections.delete(connection);
      this.#watchAlone(build);
    };
    connection.ended.addEventListener("abort", detach, { once: true });
    build.ended.addEventListener("abort", () => connection.ended.removeEventListener("abort", detach), { once: true });
  }

  #watchAlone(build: LiveBuild): void {
    if (build.connections.size > 0 || build.phase === "ended") return;
    clearTimeout(build.grace);
    build.grace = setTimeout(() => {
      const started = build.phase !== "reserved" && build.phase !== "starting";
      const message = started ? "nobody was attached to the build any more" : "the reservation ended: nobody was there";
      void this.end(build, { ...CANCELLED, message, refund: build.phase !== "running" });
    }, this.#parts.limits.graceTime);
  }

  /** Ends a build once: keeps the result, tells it, frees what it holds. Resolves when that is done; later calls change nothing. */
  end(build: LiveBuild, ending: Ending): Promise<void> {
    return this.#end(build, ending, false);
  }

  #end(build: LiveBuild, ending: Ending, kept: boolean): Promise<void> {
    build.finished ??= this.#conclude(build, ending, kept);
    return build.finished;
  }

  async #conclude(build: LiveBuild, ending: Ending, kept: boolean): Promise<void> {
    const { state, now, log } = this.#parts;
    build.phase = "ended";
    build.end(refuse(ending.reason ?? Reason.UNSPECIFIED, Code.Aborted, ending.message || "the build has ended"));
    const at = now();
    const result = resultOf(build, ending, at);
    const end = {
      at,
      result: toBinary(BuildResultSchema, result),
      uploadedBytes: build.inputs.received,
      downloadedBytes: build.downloadedBytes,
    };
    try {
      if (!kept) await (ending.refund ? state.refund(build.id, end) : state.finish(build.id, end));
    } catch (error) {
      log.error(
        { build: build.id, err: error },
        "cannot keep the result of a build; the next start gives its use back",
      );
    }
    build.events.append({ case: "result", value: result });
    this.#live.delete(build.id);
    this.changed.ring();
    log.info({ build: build.id, outcome: BuildOutcome[ending.outcome], refunded: ending.refund }, "build ended");
    await this.#tidy(build);
  }

  async #tidy(build: LiveBuild): Promise<void> {
    try {
      await build.events.close();
      if (build.ready.size === 0) await this.#parts.roots.drop(build.id);
      await this.#forget();
    } catch (error) {
      this.#parts.log.error({ build: build.id, err: error }, "cannot tidy up after a build");
    }
  }

  /** Ends what a restart found unfinished, and sweeps what belongs to no build. */
  async restart(): Promise<void> {
    const { state, now, roots, log } = this.#parts;
    for (const build of state.unfinished()) {
      const result = create(BuildResultSchema, {
        outcome: BuildOutcome.BUILDER_FAILED,
        message: "the builder restarted",
        reason: Reason.RESTARTED,
        refunded: true,
      });
      const end = { at: now(), result: toBinary(BuildResultSchema, result), uploadedBytes: 0, downloadedBytes: 0 };
      await state.refund(build.id, end);
      const events = await this.keptEvents(build.id);
      events.append({ case: "result", value: result });
      await events.close();
      log.warn({ build: build.id }, "failed and refunded a build: the builder restarted");
    }
    await this.#forget();
    const kept = state.recent(this.#parts.limits.keepBuilds).filter(build => build.use === "committed");
    const ids = new Set<string>(kept.map(build => build.id));
    await roots.sweep(id => ids.has(id));
  }

  async #forget(): Promise<void> {
    for (const id of await this.#parts.state.forget(this.#parts.limits.keepBuilds)) {
      await this.#parts.roots.drop(id);
      await rm(join(this.#parts.folder, id), { recursive: true, force: true });
    }
  }
}

const CANCELLED = { outcome: BuildOutcome.CANCELLED } as const;

/** The ending of a build that the builder's own fault broke. */
export function brokenBy(error: unknown): Ending {
  const reason = builderFault(error) ?? Reason.UNSPECIFIED;
  const messages: Partial<Record<Reason, string>> = {
    [Reason.DISK_FULL]: "the builder's disk is full",
    [Reason.NIX_UNAVAILABLE]: "the builder's Nix daemon failed or is gone",
  };
  const message = messages[reason] ?? "the builder failed; its log says why";
  return { outcome: BuildOutcome.BUILDER_FAILED, message, reason, refund: true };
}

/** Whether two owners are the same. */
export function sameOwner(one: Owner, other: Owner): boolean {
  return (
    one.client === other.client &&
    one.credential.kind === other.credential.kind &&
    one.credential.id === other.credential.id
  );
}
