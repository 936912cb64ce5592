import { Failure } from "../lib/failure.ts";
import type { BuilderClient } from "./builder.ts";
import type { Target } from "./target.ts";

/** How to connect. */
export interface ConnectOptions {
  readonly target: Target;
  /** The client key's file; default `$XDG_CONFIG_HOME/drv-thru/secret.key` or `~/.config/drv-thru/secret.key`. */
  readonly clientKeyFile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Connects to a builder, at most 30 s, and presents the client key and the ticket. Throws `Failure`. */
export async function connect(_options: ConnectOptions): Promise<BuilderClient> {
  throw new Failure("failed", "this machine", "connecting is not there yet");
}
