import { inspect } from "node:util";
import { Failure } from "../lib/failure.ts";
import { ExitCode, exitCodeOf } from "./exit.ts";
import type { Io } from "./io.ts";

/** Prints an error the one way this command line does, and says with which code to leave. */
export function reportError(error: unknown, io: Pick<Io, "stderr" | "env">): number {
  const failure = error instanceof Failure ? error : undefined;
  const message = failure?.message ?? (error instanceof Error ? error.message : String(error));
  const write = (text: string) => io.stderr.write(`${withoutTickets(text)}\n`);
  write(`error: ${failure ? whoPrefix(failure) : ""}${message}`);
  if (failure?.fix) write(`\n${failure.fix}`);
  if (io.env["DRV_THRU_DEBUG"] === "1") write(`\n${inspect(error)}`);
  return failure ? exitCodeOf(failure.code) : ExitCode.failed;
}

/** A ticket is a secret, also where somebody typed it in place of something else, which is then repeated. */
function withoutTickets(text: string): string {
  return text.replace(/drvthru[a-z2-7]{32,}/gi, "drvthru…");
}

/** Another party that refused is named in front; what this machine itself says needs no name. */
function whoPrefix(failure: Failure): string {
  if (failure.who === "this machine") return "";
  const who = failure.who === "nix" ? "Nix" : failure.who;
  return failure.message.toLowerCase().startsWith(who.toLowerCase()) ? "" : `${who}: `;
}
