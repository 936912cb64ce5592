import type { BuildRun } from "../client/build-run.ts";
import { BuildFailure, type BuildReport } from "../client/report.ts";
import { ExitCode, exitCodeOf } from "./exit.ts";
import type { Io } from "./io.ts";
import { BuildLog } from "./progress/build-log.ts";
import { BuildDisplay, type DisplayOptions } from "./progress/display.ts";
import { failureLines } from "./progress/end.ts";

/** How a build is shown, and how its outputs are printed. */
export interface BuildOutputOptions extends DisplayOptions {
  readonly json: boolean;
}

/** Shows a build while it runs and prints its outputs; resolves with the exit code. Failures that are no result of the build are thrown. */
export async function showBuild(run: BuildRun, io: Io, options: BuildOutputOptions): Promise<number> {
  const display = new BuildDisplay(io, options);
  const log = new BuildLog(io.env);
  try {
    for await (const event of run) {
      if (event.kind === "evaluated" && !event.upToDate) (await import("./memory.ts")).boundMemory();
      await log.take(event);
      await display.take(event);
    }
    await display.close();
    const report = await run.result;
    await log.discard();
    printOutputs(report, io, options.json);
    return ExitCode.done;
  } catch (error) {
    await display.close();
    if (!(error instanceof BuildFailure)) {
      await log.discard();
      throw error;
    }
    const file = await log.keep();
    for (const line of failureLines(error, file)) io.stderr.write(`${line}\n`);
    if (options.json) io.stdout.write(`${JSON.stringify(jsonFailure(error))}\n`);
    return exitCodeOf(error.code);
  } finally {
    await display.close();
  }
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
