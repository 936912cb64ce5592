import type { State } from "../../state/state.ts";
import { type Credential, sameCredential } from "../../tickets/use.ts";
import type { Allowance } from "../upload/allowance.ts";
import type { LiveBuild } from "./live-build.ts";

/** What the allowance of a credential hangs on. */
export interface AllowanceParts {
  readonly state: Pick<State, "ticket" | "givenBack">;
  readonly live: readonly LiveBuild[];
  /** Uploads in full that may be given up in a day where uses are not counted. */
  readonly maxGivenBackUploads: number;
  readonly now: number;
}

/**
 * What one more build may send together with all others of its credential. A ticket makes a builder receive no more than its uses times the limit of
 * each in all: what builds have sent stays counted when their use is given back. Without counted uses a build that begins pays for what it sent with
 * its time; those that never begin may only send so much in a day. `undefined`: there is no limit.
 */
export function allowanceOf(
  credential: Credential,
  maxUploadBytes: number | undefined,
  { state, live, maxGivenBackUploads, now }: AllowanceParts,
): Allowance | undefined {
  if (maxUploadBytes === undefined) return undefined;
  const own = live.filter(build => sameCredential(build.owner.credential, credential));
  const uses = credential.kind === "ticket" ? state.ticket(credential.id)?.uses : undefined;
  const counted = uses !== undefined;
  const most = (uses ?? maxGivenBackUploads) * maxUploadBytes;
  const ended = counted ? receivedBefore(credential, state) : state.givenBack(credential, now);
  const going = own.filter(build => counted || build.phase !== "running");
  const left = most - ended - going.reduce((sum, build) => sum + build.inputs.received, 0);
  const shared = own.find(build => build.allowance !== undefined)?.allowance;
  if (shared === undefined) return { left, counted };
  shared.left = left;
  return shared;
}

function receivedBefore(credential: Credential, state: AllowanceParts["state"]): number {
  return (credential.kind === "ticket" && state.ticket(credential.id)?.receivedBytes) || 0;
}
