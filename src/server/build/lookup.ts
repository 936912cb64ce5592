import { toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { type BuildRecord, BuildRecordSchema } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { BuildId } from "../../lib/ids.ts";
import type { State, StoredBuild } from "../../state/state.ts";
import { type Owner, sameOwner } from "../../tickets/use.ts";
import type { Principal } from "../principal.ts";
import { refuse } from "../refusal.ts";
import type { LiveBuild } from "./live-build.ts";
import { liveRecord, storedRecord } from "./record.ts";

/** Bytes of a list's records that are told whole. */
const MAX_LIST_BYTES = 3 * 1024 * 1024;

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
  return withinOneMessage([...going.reverse(), ...ended].slice(0, most));
}

/** Those that do not fit come without what they name. */
function withinOneMessage(records: readonly BuildRecord[]): BuildRecord[] {
  let room = MAX_LIST_BYTES;
  return records.map(record => {
    const { length } = toBinary(BuildRecordSchema, record);
    if (length <= room) {
      room -= length;
      return record;
    }
    const result = record.result && { ...record.result, message: "", targets: [], failures: [] };
    return { ...record, targets: [], ...(result && { result }) };
  });
}

function maySee(principal: Principal, owner: Owner): boolean {
  return principal.kind === "administrator" || sameOwner(owner, principal.owner);
}
