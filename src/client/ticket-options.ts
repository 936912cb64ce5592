import { Failure } from "../lib/failure.ts";
import { nameProblem, ticketLimits } from "../tickets/limits.ts";
import type { TicketOptions } from "./builder.ts";

/** Refuses a ticket that no builder would make, before one is asked. Throws a usage `Failure`. */
export function checkTicketOptions({ name = "", expiresSeconds, maxBuildSeconds }: TicketOptions): void {
  const unfit = name === "" ? undefined : nameProblem(name);
  if (unfit !== undefined) throw usage(unfit, "--name friend");
  if (expiresSeconds > ticketLimits.seconds) throw usage("a ticket is valid for ten years at the most", "--expires 7d");
  if (maxBuildSeconds > ticketLimits.seconds)
    throw usage("a ticket's builds may take ten years at the most", "--max-build-time 30m");
}

function usage(message: string, fix: string): Failure {
  return new Failure("usage", "this machine", message, { fix });
}
