import { Code, ConnectError } from "@connectrpc/connect";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import { Failure } from "../lib/failure.ts";
import { refuse } from "./refusal.ts";

/** What is wrong with the builder itself, so that a build is not to blame. `undefined`: nothing that is known. */
export function builderFault(error: unknown): Reason | undefined {
  if (error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")) {
    return Reason.DISK_FULL;
  }
  if (!(error instanceof Failure) || error.who !== "nix") return undefined;
  // The daemon's own errors alone come here, never the log of a build: so no build can feign a full disk.
  if (error.reason === "disk-full") return Reason.DISK_FULL;
  return error.reason === "connection-lost" || error.reason === "daemon-unreachable"
    ? Reason.NIX_UNAVAILABLE
    : undefined;
}

/** The error that a peer hears when the store failed: a refusal stays one, the builder's faults become one, what else Nix refused is told. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof ConnectError) return error;
  const fault = builderFault(error);
  if (fault === Reason.DISK_FULL) {
    return refuse(fault, Code.ResourceExhausted, "the builder's disk is full", {
      fix: "try again later, or tell the builder's owner",
      cause: error,
    });
  }
  if (fault !== undefined) {
    return refuse(fault, Code.Unavailable, "the builder's Nix daemon does not answer", {
      fix: "try again, or tell the builder's owner",
      cause: error,
    });
  }
  if (!(error instanceof Failure) || error.who !== "nix") return error;
  return refuse(Reason.UNSPECIFIED, Code.FailedPrecondition, `the builder's Nix says: ${error.message}`, {
    cause: error,
  });
}

/** The builder's own fault as a refusal; any other error as it is. */
export function faultOf(error: unknown): unknown {
  return builderFault(error) === undefined ? error : refusalOf(error);
}
