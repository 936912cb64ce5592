import { Code, ConnectError } from "@connectrpc/connect";
import { Reason, RefusalSchema } from "../../gen/drvthru/v1/common_pb.js";
import { Failure, type FailureCode, type Who } from "../lib/failure.ts";
import { StreamError } from "../lib/stream.ts";
import { cleanLine, cleanText } from "../lib/terminal.ts";
import { cancelled } from "./cancelled.ts";

/** The word for a reason of the wire, such as `ticket-exhausted`; `undefined` for none, and for one that this program does not know. */
export function reasonWord(reason: Reason): string | undefined {
  if (reason === Reason.UNSPECIFIED) return undefined;
  const name: string | undefined = Reason[reason];
  return name?.toLowerCase().replaceAll("_", "-");
}

const TRY_AGAIN = "try again in a moment";
const ASK_OWNER = "ask the builder's owner for a new ticket";

/** What a reason means here, and what to do if the builder does not say. */
const REASONS: Readonly<Record<string, { readonly code: FailureCode; readonly fix?: string }>> = {
  "ticket-unknown": { code: "not-permitted", fix: ASK_OWNER },
  "ticket-revoked": { code: "not-permitted", fix: ASK_OWNER },
  "ticket-expired": { code: "not-permitted", fix: ASK_OWNER },
  "ticket-exhausted": { code: "not-permitted", fix: ASK_OWNER },
  "ticket-in-use": { code: "busy", fix: "try again when the other build of this ticket has ended" },
  "ticket-bound": { code: "not-permitted" },
  "client-not-trusted": { code: "not-permitted" },
  "bad-proof": { code: "not-permitted" },
  "upload-limit": { code: "not-permitted" },
  "upload-stalled": { code: "busy", fix: TRY_AGAIN },
  "path-corrupt": { code: "hash-mismatch" },
  "nix-unavailable": { code: "busy", fix: TRY_AGAIN },
  "disk-full": { code: "busy", fix: "ask the builder's owner to free some space" },
  draining: { code: "busy", fix: TRY_AGAIN },
  restarted: { code: "busy", fix: "run the same command again" },
  limit: { code: "busy", fix: TRY_AGAIN },
  "not-permitted": { code: "not-permitted" },
};

/** The exit code class of a reason. */
export function codeOfReason(reason: string | undefined): FailureCode {
  return REASONS[reason ?? ""]?.code ?? "failed";
}

const CODES: Readonly<Partial<Record<Code, readonly [FailureCode, Who]>>> = {
  [Code.Canceled]: ["cancelled", "the builder"],
  [Code.DeadlineExceeded]: ["unreachable", "the network"],
  [Code.Unavailable]: ["unreachable", "the network"],
  [Code.Aborted]: ["busy", "the builder"],
  [Code.ResourceExhausted]: ["busy", "the builder"],
  [Code.PermissionDenied]: ["not-permitted", "the builder"],
  [Code.Unauthenticated]: ["not-permitted", "the builder"],
};

/** Any error as a `Failure`. The one place where what the wire throws is translated; texts from the peer are cleaned and cut. */
export function toFailure(error: unknown, doing: string): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ConnectError) return ofConnect(error, doing);
  if (error instanceof StreamError) return lost(doing, error.message, error);
  if (error instanceof Error && error.name === "AbortError") return cancelled(error);
  const text = error instanceof Error ? error.message : String(error);
  return new Failure("failed", "this machine", `${doing}: ${cleanText(text, 4096)}`, { cause: error });
}

/** The failure of whoever aborted, where the build had succeeded and its use is spent: the next run only fetches. */
export function fetchInterrupted(failure: Failure): Failure {
  return new Failure("cancelled", failure.who, failure.message, {
    reason: "fetch-interrupted",
    fix: "it is built: run the same command again to fetch it, at no cost",
    cause: failure,
  });
}

/** Whether the connection broke, so that a new one may help: not for what the builder said on purpose. */
export function isLost(failure: Failure): boolean {
  return failure.reason === "connection-lost";
}

/** Whether the same command can go on with the same build later: after a broken connection, an interrupted fetch, or once this machine's disk has room again. */
export function canGoOn(failure: Failure): boolean {
  return (
    isLost(failure) ||
    failure.reason === "fetch-interrupted" ||
    failure.reason === "helper-gone" ||
    (failure.who === "nix" && failure.reason === "disk-full")
  );
}

function lost(doing: string, why: string, cause: unknown): Failure {
  return new Failure("unreachable", "the network", `the connection to the builder broke while ${doing}: ${why}`, {
    reason: "connection-lost",
    fix: "run the same command again: it goes on with the same build",
    cause,
  });
}

function ofConnect(error: ConnectError, doing: string): Failure {
  if (error.cause instanceof Failure) return error.cause;
  const [refusal] = error.findDetails(RefusalSchema);
  const message = cleanText(error.rawMessage, 4096);
  if (refusal === undefined) {
    if (error.code === Code.Unavailable) return lost(doing, message, error);
    const [code, who] = CODES[error.code] ?? ["failed", "the builder"];
    return new Failure(code, who, `the builder failed while ${doing}: ${message}`, { cause: error });
  }
  const reason = reasonWord(refusal.reason);
  const subject = cleanLine(refusal.subject, 512);
  const about = subject === "" || message.includes(subject) ? "" : ` (${subject})`;
  const fix = cleanText(refusal.fix, 1024) || REASONS[reason ?? ""]?.fix;
  return new Failure(codeOfReason(reason), "the builder", `${message}${about}`, {
    cause: error,
    ...(reason === undefined ? {} : { reason }),
    ...(fix === undefined ? {} : { fix }),
  });
}
