import { Code } from "@connectrpc/connect";
import type { BuildRecord } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { BuildId } from "../../lib/ids.ts";
import type { State, StoredBuild } from "../../state/state.ts";
import { type Owner, sameOwner } from "../../tickets/use.ts";
import type { Principal } from "../principal.ts";
import { refuse } from "../refusal.ts";
import type { LiveBuild } from "./live-build.ts";
import { liveRecord, storedRecord } from "./record.ts";

/** A build that somebody may see: one that goes on, or one as it was kept. */
export type FoundBuild = { readonly live: LiveBuild } | { readonly stored: StoredBuild };

/** Where builds are looked up. */
export interface LookupParts {
  readonly live: ReadonlyMap<BuildId, LiveBuild>;
  readonly state: Pick<State, "build" | "buildsOf" | "recent">;
}

/** The build of that id, if this principal may see it. Throws a refusal: another's build is simply unknown. */
export function findBuild(id: BuildId, principal: Principal, { live, state }: LookupParts): FoundBuild {
  const going = live.get(id);
  const stored = going === undefined ? state.build(id) : undefined;
  const found = going ? { live: going } : stored && { stored };
  const owner = going?.owner ?? stored?.owner;
  if (found && owner && maySee(principal, owner)) return found;
  throw refuse(Reason.BUILD_UNKNOWN, Code.NotFound, "the builder knows no such build of this client", { subject: id });
}

/** Builds that this principal may see, newest first. */
export function listBuilds(principal: Principal, most: number, { live, state }: LookupParts): BuildRecord[] {
  const going = [...live.values()].filter(build => maySee(principal, build.owner)).map(liveRecord);
  const kept = principal.kind === "guest" ? state.buildsOf(principal.owner, most) : state.recent(most);
  const ended = kept.filter(build => !live.has(build.id)).map(storedRecord);
  return [...going.reverse(), ...ended].slice(0, most);
}

function maySee(principal: Principal, owner: Owner): boolean {
  return principal.kind === "administrator" || sameOwner(owner, principal.owner);
}
