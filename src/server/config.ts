import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { Failure } from "../lib/failure.ts";
import { type ClientId, parseId } from "../lib/ids.ts";
import { whyOf } from "../lib/system-error.ts";
import { parseDuration, parseSize } from "../lib/units.ts";
import { clientDefaults, nameProblem } from "../tickets/limits.ts";
import { isAddress, isRelayUrl } from "../tickets/text.ts";
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
  readonly recentBuildsLimit: number;
  readonly trustedClients: ReadonlyMap<ClientId, TrustedClient>;
  /** `default`, `none` or a URL. */
  readonly relay: string;
  /** Addresses to listen on, IP or IP:PORT; none is all. */
  readonly bind: readonly string[];
  /** IP:PORT that go into tickets besides those that are found. */
  readonly advertise: readonly string[];
}

/** What `serve` was told by flags, without a configuration file. */
export interface ServeFlags {
  readonly dataFolder: string;
  readonly trustedClients?: readonly string[];
  readonly relay?: string | undefined;
  readonly bind?: readonly string[];
  readonly advertise?: readonly string[];
}

const MAX_FILE = 2 ** 20;

const COUNT = "must be a whole number above 0";
const TEXT = "must be a text";
const LIST = "must be a list of texts";
const count = v.pipe(v.number(COUNT), v.safeInteger(COUNT), v.minValue(1, COUNT));
const relayText = v.pipe(v.string(TEXT), v.check(isRelay, "must be default, none or a URL"));
const bindText = v.pipe(v.string(TEXT), v.check(isBind, "must be IP or IP:PORT"));
const addressText = v.pipe(v.string(TEXT), v.check(isAddress, "must be IP:PORT"));
const clientSchema = v.strictObject({
  public_key: v.custom<ClientId>(isClientId, "must be 64 hex digits: drv-thru key show"),
  max_build_time: v.nullish(v.pipe(v.string('must be a text such as "30m"'), v.rawTransform(amount(parseDuration)))),
  max_upload_bytes: v.nullish(v.pipe(v.string('must be a text such as "20G"'), v.rawTransform(amount(parseSize)))),
});
const schema = v.strictObject({
  data_dir: v.pipe(v.string(TEXT), v.minLength(1, "must not be empty")),
  secret_key_file: v.nullish(v.pipe(v.string(TEXT), v.minLength(1, "must not be empty"))),
  max_concurrent_builds: v.nullish(count),
  output_cache_max_parallel_fills: v.nullish(v.pipe(count, v.maxValue(1024, "must be 1 to 1024"))),
  recent_builds_limit: v.nullish(v.pipe(count, v.maxValue(10_000, "must be 1 to 10000"))),
  trusted_clients: v.nullish(v.record(v.string(), clientSchema)),
  relay: v.nullish(relayText),
  bind: v.nullish(v.array(bindText, LIST)),
  advertise: v.nullish(v.array(addressText, LIST)),
});

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
    recentBuildsLimit: fields.recent_builds_limit ?? 20,
    trustedClients: trustedClients(fields.trusted_clients ?? {}, file),
    relay: fields.relay ?? "default",
    bind: fields.bind ?? [],
    advertise: fields.advertise ?? [],
  };
}

/** The same from flags. Throws a usage {@link Failure} that names the flag. */
export function configFromFlags({
  dataFolder,
  trustedClients: ids = [],
  relay = "default",
  bind = [],
  advertise = [],
}: ServeFlags): BuilderConfig {
  const clients = ids.map(
    text => parseId<ClientId>(text) ?? wrongFlag("--trusted-client", text, "must be 64 hex digits: drv-thru key show"),
  );
  if (!isRelay(relay)) wrongFlag("--relay", relay, "must be default, none or a URL");
  for (const text of bind) if (!isBind(text)) wrongFlag("--bind", text, "must be IP or IP:PORT");
  for (const text of advertise) if (!isAddress(text)) wrongFlag("--advertise", text, "must be IP:PORT");
  return {
    dataFolder,
    secretKeyFile: undefined,
    maxConcurrentBuilds: 1,
    outputCacheMaxParallelFills: undefined,
    recentBuildsLimit: 20,
    trustedClients: new Map(clients.map(id => [id, { id, name: undefined, ...clientDefaults }])),
    relay,
    bind,
    advertise,
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

function amount(parse: (text: string) => number) {
  return ({ dataset, addIssue, NEVER }: v.RawTransformContext<string>): number => {
    try {
      return parse(dataset.value);
    } catch (error) {
      addIssue({ message: error instanceof Failure ? `${error.message}; ${error.fix ?? ""}` : String(error) });
      return NEVER;
    }
  };
}

function problem(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue) ?? "the whole";
  if (issue.type === "strict_object" && issue.expected === "never")
    return `${field} is not a field; there are ${fieldsBeside(issue)}`;
  if (issue.received === "undefined") return `${field} is missing`;
  // Our own words do not say what stands there; those of the library do.
  const given = issue.message.startsWith("must") ? `, not ${issue.received.slice(0, 80)}` : "";
  return `${field}: ${issue.message}${given}`;
}

/** The fields that there are where an unknown one stands. */
function fieldsBeside({ path }: v.BaseIssue<unknown>): string {
  return Object.keys(path?.[0]?.key === "trusted_clients" ? clientSchema.entries : schema.entries).join(", ");
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad(file, cause instanceof Error ? `it is not JSON: ${cause.message}` : "it is not JSON", cause);
  }
}

function isClientId(value: unknown): boolean {
  return typeof value === "string" && parseId<ClientId>(value) !== undefined;
}

function isRelay(text: string): boolean {
  return text === "default" || text === "none" || isRelayUrl(text);
}

function isBind(text: string): boolean {
  return isAddress(text) || isAddress(`${text}:1`) || isAddress(`[${text}]:1`) || isAddress(text.replace(/:0$/, ":1"));
}

function wrongFlag(flag: string, value: string, must: string): never {
  throw new Failure("usage", "this machine", `${flag} ${JSON.stringify(value.slice(0, 80))}: ${must}`, {
    fix: "drv-thru serve --help",
  });
}

function bad(file: string, what: string, cause?: unknown): Failure {
  return new Failure("usage", "this machine", `the configuration ${file} cannot be used: ${what}`, {
    cause,
    fix: "drv-thru serve --help tells how to run without one",
  });
}
