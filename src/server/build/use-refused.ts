import { Code, type ConnectError } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { UseRefusal } from "../../tickets/use.ts";
import { refuse } from "../refusal.ts";

const ASK = "ask the builder's owner for a new ticket";

const REFUSALS: Record<UseRefusal, readonly [reason: Reason, code: Code, message: string, fix: string]> = {
  "ticket-unknown": [Reason.TICKET_UNKNOWN, Code.PermissionDenied, "the builder knows no such ticket", ASK],
  "ticket-revoked": [Reason.TICKET_REVOKED, Code.PermissionDenied, "the ticket was revoked", ASK],
  "ticket-expired": [Reason.TICKET_EXPIRED, Code.PermissionDenied, "the ticket has expired", ASK],
  "ticket-exhausted": [Reason.TICKET_EXHAUSTED, Code.PermissionDenied, "every use of the ticket is spent", ASK],
  "ticket-in-use": [
    Reason.TICKET_IN_USE,
    Code.Unavailable,
    "the ticket is in use by another build that may still give its use back",
    "try again when that build has started or ended",
  ],
  "ticket-bound": [
    Reason.TICKET_BOUND,
    Code.PermissionDenied,
    "the ticket is bound to another client",
    "use the key it is bound to (--key-file)",
  ],
  "build-differs": [
    Reason.BUILD_DIFFERS,
    Code.AlreadyExists,
    "this build id was opened before with something else",
    "choose a new build id",
  ],
  "build-unknown": [
    Reason.BUILD_UNKNOWN,
    Code.NotFound,
    "the build whose place this one was to take is gone",
    "open the build without it",
  ],
};

/** The error for a use that was not given. */
export function useRefused(refusal: UseRefusal): ConnectError {
  const [reason, code, message, fix] = REFUSALS[refusal];
  return refuse(reason, code, message, { fix });
}
