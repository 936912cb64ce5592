import { readLine } from "../../tickets/line.ts";
import type { Destination } from "../connection/destination.ts";
import type { Environment } from "../paths.ts";
import type { BuildTarget } from "../target.ts";

/** Says where the builder is; the first time it takes some loading. */
export type Sought = () => Promise<Destination>;

/** Sees at once that there is such a builder, or that a ticket's text arrived whole. What the ticket says is read where it is needed. Throws a `Failure`. */
export async function seekDestination(target: BuildTarget, env: Environment): Promise<Sought> {
  const seek = async () => (await import("./with-builder.ts")).findDestination(target, env);
  if (!("ticket" in target)) {
    const found = await seek();
    return async () => found;
  }
  readLine(target.ticket);
  let found: Promise<Destination> | undefined;
  return () => {
    found ??= seek();
    return found;
  };
}
