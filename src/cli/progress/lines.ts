import type { BuildEvent, TransferProgress } from "../../client/events.ts";
import { formatBytes, formatDuration } from "../../lib/units.ts";

/** What an event puts on the screen: a line that stays, a phase that the next one replaces, or nothing. */
export interface Shown {
  readonly line?: string;
  readonly phase?: string;
}

/** How much is said. */
export interface LineOptions {
  readonly verbose: boolean;
  readonly nameDerivations: boolean;
}

const NOTHING: Shown = {};

/** The words for one event of a build. */
export function describe(event: BuildEvent, options: LineOptions): Shown {
  const more = (line: string): Shown => (options.verbose ? { line } : NOTHING);
  switch (event.kind) {
    case "evaluated":
      return more(`evaluated ${event.derivations.length} derivations in ${formatDuration(event.milliseconds / 1000)}`);
    case "connecting":
      return { phase: event.attempt === 1 ? "connecting" : `connecting, attempt ${event.attempt}` };
    case "connected":
      return {
        line: `connected to builder ${event.endpointId.slice(0, 12)} as ${event.as}${options.verbose ? ` (${event.path}, drv-thru ${event.builderVersion})` : ""}`,
      };
    case "path":
      return more(`the connection is now ${PATHS[event.path]} (${event.address})`);
    case "key-remembered":
      return { line: `first use of this builder: it is known from now on by its signing key ${event.signingKey}` };
    case "reconnecting":
      return {
        line: `no connection (${event.reason}); trying again in ${formatDuration(event.waitMilliseconds / 1000)}`,
      };
    case "opened":
      return event.attached
        ? { line: `attached to build ${event.buildId.slice(0, 12)}` }
        : more(`build ${event.buildId.slice(0, 12)}`);
    case "missing":
      return { line: `the builder lacks ${event.paths} of ${event.of} inputs (${formatBytes(event.bytes)})` };
    case "upload":
      return { phase: transfer("uploading inputs", event) };
    case "upload-encoding":
      return more(`from ${formatBytes(event.bytes)} on inputs go up ${ENCODINGS[event.encoding]}`);
    case "download-encoding":
      return more(`from ${formatBytes(event.bytes)} on outputs come ${RETURN_ENCODINGS[event.codec]}`);
    case "queued":
      return { phase: `waiting for a slot, place ${event.position}` };
    case "started":
      return { phase: "building" };
    case "log-skipped":
      return { line: `(${event.lines} lines of log left out)` };
    case "log":
      return { line: options.nameDerivations && event.path ? `${nameOf(event.path)}> ${event.text}` : event.text };
    case "derivation-started":
      return {
        ...more(`${event.substituted ? "fetching" : "building"} ${event.path}`),
        phase: `building ${nameOf(event.path)}`,
      };
    case "derivation-phase":
      return { phase: `building ${nameOf(event.path)}, ${event.phase}` };
    case "derivation-finished":
      return more(`finished ${event.path}`);
    case "progress":
      return { phase: `building ${event.done}/${event.expected}${event.failed > 0 ? `, ${event.failed} failed` : ""}` };
    case "output-ready":
      return more(`ready ${event.path}`);
    case "download":
      return { phase: transfer("downloading outputs", event) };
    case "imported":
      return more(`imported ${event.path}`);
    case "linked":
      return more(`linked ${event.link} -> ${event.path}`);
    case "ended":
    case "warning":
    case "summary":
      return NOTHING;
  }
}

const ENCODINGS = {
  incompressible: "as they are: to compress them would save nothing",
  "fast-link": "as they are: the link is faster than the compressor",
  "zstd-1": "compressed (zstd, level 1)",
  "zstd-3": "compressed (zstd, level 3)",
} as const;
const RETURN_ENCODINGS = { none: "as they are", zstd: "compressed (zstd)" } as const;

const PATHS = { direct: "direct", relay: "over a relay", unknown: "over an unknown path" } as const;

/** `uploading inputs 12/40, 1.2 of 3.0 GiB`. */
function transfer(verb: string, progress: TransferProgress): string {
  const bytes = `${formatBytes(progress.bytes)} of ${formatBytes(progress.totalBytes)}`;
  return `${verb} ${progress.paths}/${progress.totalPaths}, ${bytes}`;
}

/** A derivation's name as people know it. */
export function nameOf(path: string): string {
  return path.replace(/^\/nix\/store\/[0-9a-z]{32}-/, "").replace(/\.drv$/, "");
}
