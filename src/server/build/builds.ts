import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { BuildRecord } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { BuildId } from "../../lib/ids.ts";
import type { OpenStore } from "../../nix/store.ts";
import type { State, StoredBuild } from "../../state/state.ts";
import { type Owner, sameOwner } from "../../tickets/use.ts";
import type { Connection } from "../connection.ts";
import type { ServerLimits } from "../limits.ts";
import { Notice } from "../notice.ts";
import { type Admission, asItStands } from "../present.ts";
import type { Guest, Principal } from "../principal.ts";
import { refuse } from "../refusal.ts";
import type { Room } from "../upload/named-paths.ts";
import { beginBuild } from "./begin.ts";
import { Conclusions } from "./conclusion.ts";
import { brokenBy, cancelled } from "./endings.ts";
import type { KeptBuilds } from "./kept-builds.ts";
import type { LiveBuild } from "./live-build.ts";
import { type FoundBuild, findBuild, listBuilds } from "./lookup.ts";
import { Openings } from "./openings.ts";
import { Presence } from "./presence.ts";
import { type Ending, liveRecord, storedRecord } from "./record.ts";
import type { OpenRequest } from "./request.ts";
import { checkRoom } from "./room.ts";
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

/** All builds: opens them, finds them for their owners, notices that nobody is there, and ends them. */
export class Builds {
  /** Rings whenever a build has moved on. */
  readonly changed = new Notice();
  readonly #parts: BuildsParts;
  readonly #live = new Map<BuildId, LiveBuild>();
  readonly #openings = new Openings();
  readonly #presence: Presence;
  readonly #conclusions: Conclusions;
  readonly #room: Room;
  #draining = false;

  constructor(parts: BuildsParts) {
    this.#parts = parts;
    const { graceTime, keepAgainTime } = parts.limits;
    this.#presence = new Presence(graceTime, build => this.#abandon(build));
    this.#conclusions = new Conclusions({ ...parts, keepAgainTime });
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
  open(request: OpenRequest, guest: Guest, connection: Connection): Promise<BuildRecord> {
    return this.#openings.take(request.build, () => this.#open(request, guest, connection));
  }

  async #open(request: OpenRequest, presented: Guest, connection: Connection): Promise<BuildRecord> {
    const { state, now } = this.#parts;
    const known = state.build(request.build);
    if (known === undefined) this.#admit(request.build, presented.owner);
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
    if (live.phase === "ended") this.checkTaking();
    this.attach(live, connection);
    return liveRecord(live);
  }

  /** Those that are being opened take room too: else as many as come at once would find the same place free. */
  #admit(build: BuildId, owner: Owner): void {
    this.checkTaking();
    checkRoom(owner, [...this.live.map(other => other.owner), ...this.#openings.owners], this.#parts.limits);
    this.#openings.admit(build, owner);
  }

  /** The own reserved build without a connection whose use may move over. */
  #abandoned(id: BuildId | undefined, owner: Owner): LiveBuild | undefined {
    const build = id && this.#live.get(id);
    const free = build && build.phase === "reserved" && build.connections.size === 0 && sameOwner(build.owner, owner);
    return free ? build : undefined;
  }

  async #begin(request: OpenRequest, guest: Guest, reserved: StoredBuild): Promise<LiveBuild> {
    const { id } = reserved;
    const spoilt = (error: unknown) => this.#spoilt(id, error);
    const own = { conclusions: this.#conclusions, room: this.#room, live: this.#live, spoilt };
    const live = await beginBuild(request, guest, reserved, { ...this.#parts, ...own });
    this.#parts.log.info({ build: id, client: live.clientName, installable: live.installable }, "build opened");
    this.changed.ring();
    // It was let in a moment before the builder began to stop.
    if (this.#draining) await this.end(live, cancelled("the builder is stopping", true, Reason.DRAINING));
    return live;
  }

  #spoilt(id: BuildId, error: unknown): void {
    const live = this.#live.get(id);
    if (live) void this.end(live, brokenBy(error));
  }

  /** The build of that id, if this principal may see it. Throws a refusal: another's build is simply unknown. */
  find(id: BuildId, principal: Principal): FoundBuild {
    return findBuild(id, principal, { live: this.#live, state: this.#parts.state });
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
    return listBuilds(principal, most, { live: this.#live, state: this.#parts.state });
  }

  /** The build lives while this connection does. */
  attach(build: LiveBuild, connection: Connection): void {
    this.#presence.attach(build, connection);
  }

  #abandon(build: LiveBuild): void {
    const started = build.phase !== "reserved" && build.phase !== "starting";
    const message = started ? "nobody was attached to the build any more" : "the reservation ended: nobody was there";
    void this.end(build, cancelled(message, build.phase !== "running"));
  }

  /** Ends a build once: keeps the result, tells it, frees what it holds. Resolves when that is done; later calls change nothing. */
  end(build: LiveBuild, ending: Ending): Promise<void> {
    build.finished ??= this.#conclusions.conclude(build, ending, () => {
      this.#live.delete(build.id);
      this.changed.ring();
    });
    return build.finished;
  }

  /** All builds have ended: keeps what could not be kept before. */
  close(): Promise<void> {
    return this.#conclusions.close();
  }
}
