import { inspect } from "node:util";
import { Failure } from "../lib/failure.ts";
import { ExitCode, exitCodeOf } from "./exit.ts";
import type { Io } from "./io.ts";

/** Prints an error the one way this command line does, and says with which code to leave. */
export function reportError(error: unknown, io: Pick<Io, "stderr" | "env">): number {
  const failure = error instanceof Failure ? error : undefined;
  const message = failure?.message ?? (error instanceof Error ? error.message : String(error));
  io.stderr.write(`error: ${failure ? whoPrefix(failure) : ""}${message}\n`);
  if (failure?.fix) io.stderr.write(`\n${failure.fix}\n`);
  if (io.env["DRV_THRU_DEBUG"] === "1") io.stderr.write(`\n${inspect(error)}\n`);
  return failure ? exitCodeOf(failure.code) : ExitCode.failed;
}

/** Another party that refused is named in front; what this machine itself says needs no name. */
function whoPrefix(failure: Failure): string {
  if (failure.who === "this machine") return "";
  const who = failure.who === "nix" ? "Nix" : failure.who;
  return failure.message.toLowerCase().startsWith(who.toLowerCase()) ? "" : `${who}: `;
}
