import { build } from "../../client/build.ts";
import type { BuildRequest, Evaluation } from "../../client/request.ts";
import { Failure } from "../../lib/failure.ts";
import type { Io } from "../io.ts";
import { checkTargetFlags, targetFrom } from "../target.ts";
import type { BuildFlags } from "./build-words.ts";

/** Builds what was asked for and shows it; resolves with the exit code. */
export async function runBuild(flags: BuildFlags, io: Io): Promise<number> {
  const run = build(await requestOf(flags, io));
  // Nix evaluates by now.
  const { showBuild } = await import("../build-output.ts");
  return await showBuild(run, io, {
    quiet: flags.quiet,
    verbose: flags.verbose,
    nameDerivations: flags.printBuildLogs,
    nom: !flags.noNom && !flags.json,
    builder: flags.builder,
    json: flags.json,
  });
}

/** Everything wrong with the flags is said before any work. */
async function requestOf(flags: BuildFlags, io: Io): Promise<BuildRequest> {
  checkTargetFlags(flags);
  if (flags.outLink !== undefined && flags.noLink) throw usage("--out-link and --no-link exclude each other");
  if (flags.outLink === "") throw usage("--out-link names no path");
  if (flags.file !== undefined && flags.expr !== undefined) throw usage("--file and --expr exclude each other");
  if (flags.quiet && flags.verbose) throw usage("--quiet and --verbose exclude each other");
  return {
    ...evaluationOf(flags, io),
    target: await targetFrom(flags, io, { environment: true }),
    clientKeyFile: flags.keyFile,
    keepGoing: flags.keepGoing,
    rebuild: flags.rebuild,
    outLink: flags.noLink ? undefined : (flags.outLink ?? "result"),
    narFetches: fetchesOf(flags, io),
    signal: io.signal,
  };
}

function evaluationOf(flags: BuildFlags, { cwd }: Io): Evaluation {
  return {
    installables: flags.installables,
    store: flags.store,
    file: flags.file,
    expr: flags.expr,
    impure: flags.impure,
    refresh: flags.refresh,
    overrideInputs: flags.overrideInput,
    nixOptions: flags.option,
    args: flags.arg,
    argstrs: flags.argstr,
    include: flags.include,
    acceptFlakeConfig: flags.acceptFlakeConfig,
    noUpdateLockFile: flags.noUpdateLockFile,
    noWriteLockFile: flags.noWriteLockFile,
    cwd,
  };
}

function fetchesOf({ narFetches }: BuildFlags, { env }: Io): number | undefined {
  const text = narFetches ?? env["DRV_THRU_NAR_FETCHES"];
  if (text === undefined) return undefined;
  const count = /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  const from = narFetches === undefined ? "DRV_THRU_NAR_FETCHES" : "--nar-fetches";
  throw usage(`${from} ${JSON.stringify(text.slice(0, 40))} is not a number above 0`);
}

function usage(message: string): Failure {
  return new Failure("usage", "this machine", message, { fix: "drv-thru build --help" });
}
