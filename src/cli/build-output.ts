import type { BuildRun } from "../client/build-run.ts";
import type { BuildEvent } from "../client/events.ts";
import { BuildFailure, type BuildReport } from "../client/report.ts";
import { ExitCode, exitCodeOf } from "./exit.ts";
import type { Io } from "./io.ts";
import { BuildLog } from "./progress/build-log.ts";
import { failureLines, summaryLines } from "./progress/end.ts";
import { describe } from "./progress/lines.ts";
import { ProgressModel } from "./progress/model.ts";
import { type Screen, screenFor } from "./progress/screen.ts";

/** How a build is shown. */
export interface BuildOutputOptions {
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly nameDerivations: boolean;
  readonly json: boolean;
}

/** Shows a build while it runs and prints its outputs; resolves with the exit code. Failures that are no result of the build are thrown. */
export async function showBuild(run: BuildRun, io: Io, options: BuildOutputOptions): Promise<number> {
  const model = new ProgressModel();
  const screen = screenFor(io, options.quiet, most => model.lines(performance.now(), most));
  const log = new BuildLog(io.env);
  try {
    for await (const event of run) {
      await log.take(event);
      model.take(event, performance.now());
      showEvent(event, screen, options);
    }
    screen.close();
    const report = await run.result;
    await log.discard();
    printOutputs(report, io, options.json);
    return ExitCode.done;
  } catch (error) {
    screen.close();
    if (!(error instanceof BuildFailure)) {
      await log.discard();
      throw error;
    }
    const file = await log.keep();
    for (const line of failureLines(error, file)) io.stderr.write(`${line}\n`);
    if (options.json) io.stdout.write(`${JSON.stringify(jsonFailure(error))}\n`);
    return exitCodeOf(error.code);
  } finally {
    screen.close();
  }
}

function showEvent(event: BuildEvent, screen: Screen, options: BuildOutputOptions): void {
  if (event.kind === "warning") {
    screen.always(`warning: ${event.text}`);
    return;
  }
  if (options.quiet) return;
  if (event.kind === "summary") {
    if (!event.report.derivations.length || event.report.endpointId === undefined) return;
    for (const line of summaryLines(event.report)) screen.line(line);
    return;
  }
  screen.changed();
  const shown = describe(event, options);
  if (shown.line !== undefined) screen.line(shown.line);
  if (shown.phase !== undefined) screen.phase(shown.phase);
}

/** Store paths, one a line, in the order asked; as JSON the shape of `nix build --json`. */
function printOutputs(report: BuildReport, io: Io, json: boolean): void {
  if (json) {
    io.stdout.write(`${JSON.stringify(report.derivations)}\n`);
    return;
  }
  for (const derivation of report.derivations) {
    for (const path of Object.values(derivation.outputs)) io.stdout.write(`${path}\n`);
  }
}

function jsonFailure(error: BuildFailure) {
  const { outcome, message, failed, buildId, refunded } = error.report;
  return { outcome, message, failed, buildId, refunded };
}
