import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { Failure } from "../lib/failure.ts";
import type { ClientId } from "../lib/ids.ts";
import { whyOf } from "../lib/system-error.ts";
import { clientDefaults, nameProblem } from "../tickets/limits.ts";
import { type clientSchema, problem, schema } from "./config-schema.ts";
import type { TrustedClient } from "./present.ts";

/** How a builder runs. */
export interface BuilderConfig {
  /** Absolute. */
  readonly dataFolder: string;
  /** Absolute, or `undefined` for the one in the data folder. */
  readonly secretKeyFile: string | undefined;
  readonly maxConcurrentBuilds: number;
  /** `undefined`: as many as there are cores, 1 to 16. */
  readonly outputCacheMaxParallelFills: number | undefined;
  /** Bytes; `null` for no limit, `undefined` for the default. */
  readonly outputCacheMaxBytes: number | null | undefined;
  readonly recentBuildsLimit: number;
  readonly trustedClients: ReadonlyMap<ClientId, TrustedClient>;
  /** `default`, `none` or a URL. */
  readonly relay: string;
  /** Addresses to listen on, IP or IP:PORT; none is all. */
  readonly bind: readonly string[];
  /** IP:PORT that go into tickets besides those that are found. */
  readonly advertise: readonly string[];
}

const MAX_FILE = 2 ** 20;

/** Reads a builder's configuration file. Throws a {@link Failure} that names the file and the field. */
export function readConfig(file: string): BuilderConfig {
  let text: string;
  try {
    if (statSync(file).size > MAX_FILE) throw new Error("it is larger than 1 MiB");
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw bad(file, whyOf(cause), cause);
  }
  return parseConfig(text, file);
}

/** Reads a configuration from its text; relative paths are beside the file. Throws likewise. */
export function parseConfig(text: string, file: string): BuilderConfig {
  const result = v.safeParse(schema, parseJson(text, file), { abortEarly: true });
  if (!result.success) throw bad(file, problem(result.issues[0]));
  const fields = result.output;
  const beside = (path: string) => resolve(dirname(file), path);
  return {
    dataFolder: beside(fields.data_dir),
    secretKeyFile: typeof fields.secret_key_file === "string" ? beside(fields.secret_key_file) : undefined,
    maxConcurrentBuilds: fields.max_concurrent_builds ?? 1,
    outputCacheMaxParallelFills: fields.output_cache_max_parallel_fills ?? undefined,
    outputCacheMaxBytes: fields.output_cache_max_bytes,
    recentBuildsLimit: fields.recent_builds_limit ?? 20,
    trustedClients: trustedClients(fields.trusted_clients ?? {}, file),
    relay: fields.relay ?? "default",
    bind: fields.bind ?? [],
    advertise: fields.advertise ?? [],
  };
}

function trustedClients(
  entries: Readonly<Record<string, v.InferOutput<typeof clientSchema>>>,
  file: string,
): ReadonlyMap<ClientId, TrustedClient> {
  const clients = new Map<ClientId, TrustedClient>();
  for (const [name, { public_key, max_build_time, max_upload_bytes }] of Object.entries(entries)) {
    const unfit = nameProblem(name)?.replace("a ticket's name", "a client's name");
    if (unfit !== undefined) throw bad(file, `trusted_clients.${JSON.stringify(name.slice(0, 64))}: ${unfit}`);
    const other = clients.get(public_key);
    if (other !== undefined) throw bad(file, `trusted_clients.${name}.public_key is also that of ${other.name}`);
    clients.set(public_key, {
      id: public_key,
      name,
      // null is no limit; absent is the default.
      maxBuildSeconds: max_build_time === null ? undefined : (max_build_time ?? clientDefaults.maxBuildSeconds),
      maxUploadBytes: max_upload_bytes === null ? undefined : (max_upload_bytes ?? clientDefaults.maxUploadBytes),
    });
  }
  return clients;
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad(file, cause instanceof Error ? `it is not JSON: ${cause.message}` : "it is not JSON", cause);
  }
}

function bad(file: string, what: string, cause?: unknown): Failure {
  return new Failure("usage", "this machine", `the configuration ${file} cannot be used: ${what}`, {
    cause,
    fix: "drv-thru serve --help tells how to run without one",
  });
}
