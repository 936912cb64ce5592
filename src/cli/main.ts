import { Failure } from "../lib/failure.ts";
import { whyOf } from "../lib/system-error.ts";
import { readBuildWords } from "./commands/build-words.ts";
import { runBuild } from "./commands/run-build.ts";
import { ExitCode } from "./exit.ts";
import { canRedraw, heightOf, type Io, widthOf, workingFolder } from "./io.ts";
import { reportError } from "./report.ts";

/** Runs one command line. Everything it prints goes through `io`; resolves with the exit code. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    const flags = readBuildWords(argv);
    if (flags !== undefined) return await runBuild(flags, io);
    const { runCommandLine } = await import("./command-line.ts");
    return await runCommandLine(argv, io);
  } catch (error) {
    return reportError(error, io);
  }
}

/** The program: runs the process's own arguments and leaves with the exit code. */
export async function main(): Promise<void> {
  const abort = new AbortController();
  const leave = new AbortController();
  const hurry = { signal: leave.signal, patience: 0 };
  const interrupt = (signal: NodeJS.Signals) => {
    if (leave.signal.aborted) process.exit(ExitCode.interrupted);
    if (abort.signal.aborted) {
      leave.abort();
      setTimeout(() => process.exit(ExitCode.interrupted), hurry.patience).unref();
      return;
    }
    abort.abort(new Failure("cancelled", "this machine", signal === "SIGINT" ? "interrupted" : "stopped by SIGTERM"));
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  process.stdout.on("error", error => cannotWrite("stdout", error));
  process.stderr.on("error", error => cannotWrite("stderr", error));
  const cwd = workingFolder();
  if (cwd === undefined) {
    const fix = "cd to another one";
    process.exitCode = reportError(
      new Failure("failed", "this machine", "the folder you are in is gone", { fix }),
      process,
    );
    return;
  }
  const code = await run(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    colorDepth: 1,
    cwd,
    signal: abort.signal,
    hurry,
    onHangup: listener => void process.on("SIGHUP", listener),
    terminal: canRedraw(process.stderr, process.env),
    columns: () => widthOf(process.stderr, process.env),
    rows: () => heightOf(process.stderr, process.env),
    answer: {
      terminal: canRedraw(process.stdout, process.env),
      columns: () => widthOf(process.stdout, process.env),
      rows: () => heightOf(process.stdout, process.env),
    },
  });
  process.exitCode = code;
}

/** `drv-thru … | head` closes our stdout early: that is the reader's choice. An answer that could not be written otherwise is a failure. */
function cannotWrite(stream: "stdout" | "stderr", error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  const failure = new Failure("failed", "this machine", `cannot write to ${stream}: ${whyOf(error)}`, { cause: error });
  if (stream === "stdout") reportError(failure, process);
  process.exit(ExitCode.failed);
}
