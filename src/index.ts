/** The library: build on someone else's machine, and administrate a builder on this one. The command line uses nothing else. */
export { build } from "./client/build.ts";
export type { BuildRun } from "./client/build-run.ts";
export type {
  BuilderClient,
  BuilderStatus,
  BuildRecord,
  BuildRecordResult,
  Principal,
  RevokedTicket,
  StatusTransfer,
  TicketAdministration,
  TicketInfo,
  TicketOptions,
  TicketWithText,
} from "./client/builder.ts";
export type { BuilderEntry } from "./client/builders/entry.ts";
export type { KnownBuilders, NamedBuilder } from "./client/builders/known.ts";
export { loadBuilders } from "./client/builders/known.ts";
export type { BuilderChange, ShownBuilder } from "./client/builders/manage.ts";
export { addBuilder, removeBuilder, showBuilder } from "./client/builders/manage.ts";
export type { ConnectOptions } from "./client/connect.ts";
export { connect } from "./client/connect.ts";
export type { BuildEvent, TransferProgress } from "./client/events.ts";
export type { TicketTextInfo } from "./client/inspect.ts";
export { inspectTicketText } from "./client/inspect.ts";
export type { ClientKeyInfo } from "./client/key.ts";
export { clientKey } from "./client/key.ts";
export type { BuildOutcome, BuildReport, FailedDerivation, PlannedDerivation } from "./client/report.ts";
export { BuildFailure } from "./client/report.ts";
export type { BuildRequest, Evaluation } from "./client/request.ts";
export type { BuildTarget, LocalTarget, ServerTarget, Target } from "./client/target.ts";
export type { FailureCode, Who } from "./lib/failure.ts";
export { Failure } from "./lib/failure.ts";
