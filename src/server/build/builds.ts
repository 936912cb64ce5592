import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";
import { BuildOutcome, type BuildRecord, BuildResultSchema } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { BuildId } from "../../lib/ids.ts";
import type { OpenStore } from "../../nix/store.ts";
import type { State, StoredBuild } from "../../state/state.ts";
import { type Owner, sameCredential, sameOwner } from "../../tickets/use.ts";
import type { Connection } from "../connection.ts";
import { refusalOf } from "../faults.ts";
import type { ServerLimits } from "../limits.ts";
import { Notice } from "../notice.ts";
import { type Admission, asItStands } from "../present.ts";
import type { Guest, Principal } from "../principal.ts";
import { refuse } from "../refusal.ts";
import type { Room } from "../upload/inputs.ts";
import { brokenBy, cancelled } from "./endings.ts";
import type { KeptBuilds } from "./kept-builds.ts";
import { LiveBuild } from "./live-build.ts";
import { type Ending, liveRecord, resultOf, storedRecord } from "./record.ts";
import type { OpenRequest } from "./request.ts";
import { uploadLimit } from "./upload-limit.ts";
import { useRefused } from "./use-refused.ts";

/** What the builds stand on. */
export interface BuildsParts {
  readonly state: State;
  readonly openStore: OpenStore;
  readonly limits: ServerLimits;
  readonly kept: KeptBuilds;
  readonly trustedClients: Admission["trustedClients"];
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
  readonly #room: Room;
  #draining = false;

  constructor(parts: BuildsParts) {
    this.#parts = parts;
    this.#room = { left: parts.limits.maxNamedPathsOfAll };
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

  async #open(request: OpenRequest, presented: Guest, connection: Connection): Promise<BuildRecord> {
    const { state, now } = this.#parts;
    const known = state.build(request.build);
    if (known === undefined) this.#checkRoom(presented.owner);
    const guest = known === undefined ? asItStands(presented, this.#parts.trustedClients) : presented;
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
    if (insteadOf) await this.end(insteadOf, cancelled("another build took its place", true));
    if (reserved.end !== undefined) return storedRecord(reserved);
    const live = this.#live.get(request.build) ?? (await this.#begin(request, guest, reserved));
    this.attach(live, connection);
    return liveRecord(live);
  }

  #checkRoom(owner: Owner): void {
    this.checkTaking();
    const { maxOpenBuilds, maxOpenBuildsOfCredential, maxOpenBuildsOfOwner } = this.#parts.limits;
    // Client keys cost nothing: one ticket with many of them must not take all the room.
    const shared = this.live.filter(({ owner: { credential } }) => sameCredential(credential, owner.credential));
    const own = shared.filter(build => sameOwner(build.owner, owner)).length;
    const most =
      (own >= maxOpenBuildsOfOwner && maxOpenBuildsOfOwner) ||
      (shared.length >= maxOpenBuildsOfCredential && maxOpenBuildsOfCredential) ||
      (this.#live.size >= maxOpenBuilds && maxOpenBuilds);
    if (most === false) return;
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
    const { openStore, limits, log, kept } = this.#parts;
    const { id, openedAt } = reserved;
    try {
      const events = await kept.events(id, error => this.#spoilt(id, error));
      const { credential } = guest.owner;
      const ticket = credential.kind === "ticket" ? this.#parts.state.ticket(credential.id) : undefined;
      const maxUploadBytes = uploadLimit(guest.maxUploadBytes, ticket);
      const own = {
        openedAt,
        events,
        openStore,
        maxNamedPaths: limits.maxNamedPaths,
        room: this.#room,
        maxUploadBytes,
      };
      const live = new LiveBuild(request, guest, own);
      this.#live.set(id, live);
      log.info({ build: id, client: live.clientName, installable: live.installable }, "build opened");
      this.changed.ring();
      return live;
    } catch (error) {
      const { outcome, message } = brokenBy(error);
      const result = toBinary(BuildResultSchema, create(BuildResultSchema, { outcome, message, refunded: true }));
      await this.#parts.state.refund(id, { at: this.#parts.now(), result, uploadedBytes: 0, downloadedBytes: 0 });
      throw refusalOf(error);
    }
  }

  #spoilt(id: BuildId, error: unknown): void {
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
      void this.end(build, cancelled(message, build.phase !== "running"));
    }, this.#parts.limits.graceTime);
  }

  /** Ends a build once: keeps the result, tells it, frees what it holds. Resolves when that is done; later calls change nothing. */
  end(build: LiveBuild, ending: Ending): Promise<void> {
    build.finished ??= this.#conclude(build, ending);
    return build.finished;
  }

  async #conclude(build: LiveBuild, ending: Ending): Promise<void> {
    const { state, now, log } = this.#parts;
    build.phase = "ended";
    build.end(refuse(ending.reason ?? Reason.UNSPECIFIED, Code.Aborted, ending.message || "the build has ended"));
    const at = now();
    const result = resultOf(build, ending, at);
    const end = {
      at,
      result: toBinary(BuildResultSchema, result),
      uploadedBytes: build.inputs.received,
      downloadedBytes: build.downloaded.bytes,
    };
    try {
      await (ending.refund ? state.refund(build.id, end) : state.finish(build.id, end));
    } catch (error) {
      log.error(
        { build: build.id, err: error },
        "cannot keep the result of a build; the next start gives its use back",
      );
    }
    build.events.append({ case: "result", value: result });
    // Only then may a watch read the file without this one.
    await build.events.flushed();
    this.#live.delete(build.id);
    this.changed.ring();
    log.info({ build: build.id, outcome: BuildOutcome[ending.outcome], refunded: ending.refund }, "build ended");
    await this.#tidy(build);
  }

  async #tidy(build: LiveBuild): Promise<void> {
    try {
      await build.events.close();
      if (build.ready.size === 0) await this.#parts.kept.dropRoots(build.id);
      await this.#parts.kept.forget();
    } catch (error) {
      this.#parts.log.error({ build: build.id, err: error }, "cannot tidy up after a build");
    }
  }
}
