import type { BuildOutcome, BuildReport, FailedDerivation, PlannedDerivation } from "./report.ts";
import type { Encoding } from "./transfer/encoding.ts";

/** How far a transfer has come. Bytes are bytes of NAR, as the paths unpack. */
export interface TransferProgress {
  readonly paths: number;
  readonly totalPaths: number;
  readonly bytes: number;
  /** May grow while the other side is still asked. */
  readonly totalBytes: number;
  /** Bytes that crossed the wire, after compression. */
  readonly wireBytes: number;
}

/** What happens while a build runs. Texts from the builder are bounded and free of terminal escapes. */
export type BuildEvent =
  /** Nix has evaluated. `upToDate`: every output is valid here and nothing more will happen. */
  | {
      readonly kind: "evaluated";
      readonly derivations: readonly PlannedDerivation[];
      readonly upToDate: boolean;
      readonly milliseconds: number;
    }
  /** Something the person should know; the build goes on. */
  | { readonly kind: "warning"; readonly text: string }
  /** A connection is being made; `attempt` counts from 1. */
  | { readonly kind: "connecting"; readonly endpointId: string; readonly attempt: number }
  /** The builder has answered `Present`. `as` is for example `ticket:friend`. */
  | {
      readonly kind: "connected";
      readonly endpointId: string;
      readonly as: string;
      readonly builderVersion: string;
      readonly path: "direct" | "relay" | "unknown";
    }
  /** Bytes go another way from now on: the first often go over a relay, until the two ends have found each other. `address`: `IP:PORT` or the relay. */
  | { readonly kind: "path"; readonly path: "direct" | "relay" | "unknown"; readonly address: string }
  /** The builder was used for the first time: from now on it is known by this signing key (`name:base64`), and another one is refused. */
  | { readonly kind: "key-remembered"; readonly endpointId: string; readonly signingKey: string }
  /** The connection was lost; it is made again after this wait. */
  | { readonly kind: "reconnecting"; readonly reason: string; readonly waitMilliseconds: number }
  /** The build has an id. `attached`: it is an unfinished one of an earlier run. */
  | { readonly kind: "opened"; readonly buildId: string; readonly attached: boolean }
  /** The builder has said what it lacks, of `of` paths in all. */
  | { readonly kind: "missing"; readonly paths: number; readonly bytes: number; readonly of: number }
  /** Inputs go up; at most about ten a second. */
  | ({ readonly kind: "upload" } & TransferProgress)
  /** How an upload stream travels from about so many bytes of NAR on. */
  | { readonly kind: "upload-encoding"; readonly encoding: Encoding; readonly bytes: number }
  /** It waits for a slot; place from 1. */
  | { readonly kind: "queued"; readonly position: number }
  /** It has a slot. */
  | { readonly kind: "started" }
  /** A derivation is being built, or a path substituted. */
  | {
      readonly kind: "derivation-started";
      readonly activity: number;
      readonly path: string;
      readonly substituted: boolean;
    }
  | { readonly kind: "derivation-phase"; readonly activity: number; readonly path: string; readonly phase: string }
  | { readonly kind: "derivation-finished"; readonly activity: number; readonly path: string }
  /** A line of log. `path` is the derivation's, or empty for Nix itself. */
  | { readonly kind: "log"; readonly activity: number; readonly path: string; readonly text: string }
  /** Lines were left out because nobody took them in time. */
  | { readonly kind: "log-skipped"; readonly lines: number }
  /** Counts of derivations. */
  | {
      readonly kind: "progress";
      readonly done: number;
      readonly expected: number;
      readonly running: number;
      readonly failed: number;
    }
  /** Nothing more is built; outputs may still come. */
  | { readonly kind: "ended"; readonly outcome: BuildOutcome; readonly failed: readonly FailedDerivation[] }
  /** An output is valid on the builder; its download begins. */
  | { readonly kind: "output-ready"; readonly drvPath: string; readonly name: string; readonly path: string }
  /** Outputs come down; at most about ten a second. */
  | ({ readonly kind: "download" } & TransferProgress)
  /** From about so many bytes of NAR on outputs come compressed, or as they are because that would not make them smaller. */
  | { readonly kind: "download-encoding"; readonly codec: "none" | "zstd"; readonly bytes: number }
  /** A requested output and its closure are valid here. */
  | { readonly kind: "imported"; readonly path: string }
  /** A result link was made. */
  | { readonly kind: "linked"; readonly link: string; readonly path: string }
  /** The last event, also of a build that failed. */
  | { readonly kind: "summary"; readonly report: BuildReport };
