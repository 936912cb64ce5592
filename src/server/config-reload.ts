import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { Failure } from "../lib/failure.ts";
import type { ClientId } from "../lib/ids.ts";
import { type BuilderConfig, readConfig } from "./config.ts";
import type { ServerLimits } from "./limits.ts";
import type { TrustedClient } from "./present.ts";
import { dismissClients } from "./revoke.ts";
import type { Services } from "./services.ts";

/** The fields of a configuration and when a change of one counts: at once, or from the next start on. */
const FIELDS: Readonly<Record<keyof BuilderConfig, readonly [name: string, when: "at once" | "at the next start"]>> = {
  trustedClients: ["trusted_clients", "at once"],
  maxConcurrentBuilds: ["max_concurrent_builds", "at once"],
  recentBuildsLimit: ["recent_builds_limit", "at once"],
  dataFolder: ["data_dir", "at the next start"],
  secretKeyFile: ["secret_key_file", "at the next start"],
  outputCacheMaxParallelFills: ["output_cache_max_parallel_fills", "at the next start"],
  outputCacheMaxBytes: ["output_cache_max_bytes", "at the next start"],
  relay: ["relay", "at the next start"],
  bind: ["bind", "at the next start"],
  advertise: ["advertise", "at the next start"],
};

/** What of a running builder its configuration can change. */
export interface Reloadable {
  /** As the builder was started. */
  readonly config: BuilderConfig;
  /** What decides who is let in; changed in place. */
  readonly trustedClients: Map<ClientId, TrustedClient>;
  /** Changed in place. */
  readonly limits: ServerLimits;
  readonly services: Pick<Services, "builds" | "scheduler">;
  readonly log: Logger;
}

/** Reads a builder's configuration again while it runs. One that cannot be used changes nothing. */
export class ConfigReload {
  readonly #parts: Reloadable;
  #inForce: BuilderConfig;

  constructor(parts: Reloadable) {
    this.#parts = parts;
    this.#inForce = parts.config;
  }

  /** The log hears what changed, and what of it waits for the next start; or why nothing did. Never throws. */
  async from(file: string): Promise<void> {
    const { log } = this.#parts;
    try {
      await this.#take(readConfig(file), file);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof Failure)
        log.error({ file, why }, "the configuration was not taken; the old one stays in force");
      else log.error({ file, err: error }, "the configuration was read again, and something broke");
    }
  }

  async #take(next: BuilderConfig, file: string): Promise<void> {
    const { trustedClients, limits, services, log } = this.#parts;
    const atOnce = changed(next, this.#inForce, "at once");
    const atNextStart = changed(next, this.#parts.config, "at the next start");
    const named = (clients: BuilderConfig["trustedClients"], other: BuilderConfig["trustedClients"]) =>
      [...clients.values()].filter(client => !other.has(client.id)).map(client => client.name ?? client.id);
    const [added, removed] = [
      named(next.trustedClients, this.#inForce.trustedClients),
      named(this.#inForce.trustedClients, next.trustedClients),
    ];
    trustedClients.clear();
    for (const [id, client] of next.trustedClients) trustedClients.set(id, client);
    const { maxConcurrentBuilds, recentBuildsLimit: recentBuilds } = next;
    Object.assign(limits, { maxConcurrentBuilds, recentBuilds, keepBuilds: Math.max(limits.keepBuilds, recentBuilds) });
    this.#inForce = next;
    log.info({ file, atOnce, added, removed }, "configuration read again");
    if (atNextStart.length > 0)
      log.warn({ file, fields: atNextStart }, "these fields count from the next start on: restart");
    services.scheduler.fillSlots();
    const ended = await dismissClients(services.builds, trustedClients);
    if (ended > 0) log.info({ ended }, "ended builds that had not begun, of clients that are not trusted any more");
  }
}

function changed(next: BuilderConfig, before: BuilderConfig, when: "at once" | "at the next start"): string[] {
  const keys = Object.keys(FIELDS) as (keyof BuilderConfig)[];
  return keys
    .filter(key => FIELDS[key][1] === when && !isDeepStrictEqual(next[key], before[key]))
    .map(key => FIELDS[key][0]);
}
