import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { type Owner, sameCredential, sameOwner } from "../../tickets/use.ts";
import type { ServerLimits } from "../limits.ts";
import { refuse } from "../refusal.ts";

/** Throws a refusal if there are too many unfinished builds for one more of this owner. `owners`: of each that goes on or is being opened. */
export function checkRoom(owner: Owner, owners: readonly Owner[], limits: ServerLimits): void {
  const { maxOpenBuilds, maxOpenBuildsOfCredential, maxOpenBuildsOfOwner } = limits;
  // Client keys cost nothing: one ticket with many of them must not take all the room.
  const shared = owners.filter(({ credential }) => sameCredential(credential, owner.credential));
  const own = shared.filter(other => sameOwner(other, owner)).length;
  const most =
    (own >= maxOpenBuildsOfOwner && maxOpenBuildsOfOwner) ||
    (shared.length >= maxOpenBuildsOfCredential && maxOpenBuildsOfCredential) ||
    (owners.length >= maxOpenBuilds && maxOpenBuilds);
  if (most === false) return;
  throw refuse(Reason.LIMIT, Code.ResourceExhausted, `the builder has ${most} unfinished builds and takes no more`, {
    subject: String(most),
    fix: "try again when some have ended",
  });
}
