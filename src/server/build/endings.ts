import { BuildOutcome } from "../../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { builderFault } from "../faults.ts";
import type { Ending } from "./record.ts";

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

/** The ending of a build that somebody, or nobody's presence, has cancelled. */
export function cancelled(message: string, refund: boolean, reason = Reason.UNSPECIFIED): Ending {
  return { outcome: BuildOutcome.CANCELLED, message, reason, refund };
}
