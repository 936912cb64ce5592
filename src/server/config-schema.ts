import * as v from "valibot";
import { Failure } from "../lib/failure.ts";
import { type ClientId, parseId } from "../lib/ids.ts";
import { parseDuration, parseSize } from "../lib/units.ts";
import { isAddress, isRelayUrl } from "../tickets/place.ts";
import { family } from "./ports.ts";

const COUNT = "must be a whole number above 0";
const TEXT = "must be a text";
const LIST = "must be a list of texts";
const CLIENT = "must be 64 hex digits: drv-thru key show";
/** What is wrong with a list of addresses that {@link isBindList} does not take. */
export const BIND_LIST = "there is more than one address of a family: one IPv4 and one IPv6 at most";
const count = v.pipe(v.number(COUNT), v.safeInteger(COUNT), v.minValue(1, COUNT));
const relayText = v.pipe(v.string(TEXT), v.check(isRelay, "must be default, none or a URL"));
const bindText = v.pipe(v.string(TEXT), v.check(isBind, "must be IP or IP:PORT"));
const addressText = v.pipe(v.string(TEXT), v.check(isAddress, "must be IP:PORT"));
/** A trusted client, as it stands in a configuration file. */
export const clientSchema = v.strictObject({
  public_key: v.pipe(v.string(CLIENT), v.trim(), v.toLowerCase(), v.custom<ClientId>(isClientId, CLIENT)),
  max_build_time: v.nullish(v.pipe(v.string('must be a text such as "30m"'), v.rawTransform(amount(parseDuration)))),
  max_upload_bytes: v.nullish(v.pipe(v.string('must be a text such as "20G"'), v.rawTransform(amount(parseSize)))),
});
/** The fields of a configuration file, as they stand there. */
export const schema = v.strictObject({
  data_dir: v.pipe(v.string(TEXT), v.minLength(1, "must not be empty")),
  secret_key_file: v.nullish(v.pipe(v.string(TEXT), v.minLength(1, "must not be empty"))),
  max_concurrent_builds: v.nullish(count),
  output_cache_max_parallel_fills: v.nullish(v.pipe(count, v.maxValue(1024, "must be 1 to 1024"))),
  output_cache_max_bytes: v.nullish(
    v.pipe(v.string('must be a text such as "20G"'), v.rawTransform(amount(parseSize))),
  ),
  recent_builds_limit: v.nullish(v.pipe(count, v.maxValue(10_000, "must be 1 to 10000"))),
  trusted_clients: v.nullish(v.record(v.string(), clientSchema)),
  relay: v.nullish(relayText),
  bind: v.nullish(
    v.pipe(
      v.array(bindText, LIST),
      v.check(texts => isBindList(texts), BIND_LIST),
    ),
  ),
  advertise: v.nullish(v.array(addressText, LIST)),
});

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

/** What is wrong, with the field. */
export function problem(issue: v.BaseIssue<unknown>): string {
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

function isClientId(value: unknown): boolean {
  return typeof value === "string" && parseId<ClientId>(value) !== undefined;
}

/** Whether a text says which relay to use. */
export function isRelay(text: string): boolean {
  return text === "default" || text === "none" || isRelayUrl(text);
}

/** Whether all of these can be listened on: Iroh takes one address of each family. */
export function isBindList(texts: readonly string[]): boolean {
  return new Set(texts.map(family)).size === texts.length;
}

/** Whether a text is an address to listen on, with or without a port. */
export function isBind(text: string): boolean {
  return isAddress(text) || isAddress(`${text}:1`) || isAddress(`[${text}]:1`) || isAddress(text.replace(/:0$/, ":1"));
}
