import { Failure } from "../../lib/failure.ts";
import { type EndpointId, parseId } from "../../lib/ids.ts";
import { formatPublicKey, parsePublicKey } from "../../nix/signing-key.ts";
import { isAddress, isRelayUrl } from "../../tickets/place.ts";

/** What a builder file says of a builder. */
export interface BuilderEntry {
  /** 64 hex digits; either this or {@link endpointIdFile}. */
  readonly endpointId?: string | undefined;
  /** A file that holds the endpoint id, read at each use. Relative to the builder file. */
  readonly endpointIdFile?: string | undefined;
  /** The relay where it can be reached; none: public discovery and the default relays. */
  readonly relayUrl?: string | undefined;
  /** The key that signs what it makes, as `name:base64`; none: the one that it names first is remembered. */
  readonly publicKey?: string | undefined;
  /** Direct addresses, `IP:PORT`, for networks without discovery. */
  readonly addresses?: readonly string[] | undefined;
}

const FIELDS = ["endpoint_id", "endpoint_id_file", "relay_url", "public_key", "addresses"] as const;
const MAX_ADDRESSES = 32;
const MAX_NAME_BYTES = 128;

/** What is wrong with a builder's name, or `undefined`. */
export function builderNameProblem(name: string): string | undefined {
  if (name.trim() === "") return "a builder's name must not be blank";
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `a builder's name has at most ${MAX_NAME_BYTES} bytes`;
  // Names reach terminals: no control characters, no direction or line-break tricks, no broken surrogates.
  return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)
    ? "a builder's name must not have control characters"
    : undefined;
}

/** Reads an entry as it stands in a builder file; `null` means not set. Throws a `Failure` whose message `wrong` makes of what is wrong. */
export function parseEntry(value: unknown, wrong: (what: string) => Failure): BuilderEntry {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("must be an object");
  const fields = new Map<string, unknown>(Object.entries(value));
  for (const name of fields.keys()) {
    if (!FIELDS.some(field => field === name))
      throw wrong(`${JSON.stringify(name)} is not a field; there are ${FIELDS.join(", ")}`);
  }
  const text = (field: (typeof FIELDS)[number]) => {
    const found = fields.get(field) ?? undefined;
    if (found === undefined || typeof found === "string") return found;
    throw wrong(`${field} must be a text`);
  };
  const entry = {
    endpointId: text("endpoint_id")?.trim().toLowerCase(),
    endpointIdFile: text("endpoint_id_file"),
    relayUrl: text("relay_url"),
    publicKey: text("public_key")?.trim(),
    addresses: addressesOf(fields.get("addresses") ?? undefined, wrong),
  };
  const what = problemOf(entry);
  if (what !== undefined) throw wrong(what);
  return entry;
}

/** What is wrong with an entry, in the words of its file, or `undefined`. */
export function problemOf({
  endpointId,
  endpointIdFile,
  relayUrl,
  publicKey,
  addresses = [],
}: BuilderEntry): string | undefined {
  if (endpointId !== undefined && endpointIdFile !== undefined) return "has both endpoint_id and endpoint_id_file";
  if (endpointId === undefined && endpointIdFile === undefined) return "needs one of endpoint_id and endpoint_id_file";
  if (endpointId !== undefined && parseId<EndpointId>(endpointId) === undefined) {
    return endpointId === ""
      ? "endpoint_id is empty"
      : `endpoint_id: ${quoted(endpointId)} is not an endpoint id (64 hex digits)`;
  }
  if (endpointIdFile?.trim() === "") return "endpoint_id_file is empty";
  if (relayUrl !== undefined && !isRelayUrl(relayUrl))
    return `relay_url: ${quoted(relayUrl)} is not the URL of a relay`;
  const odd = addresses.find(address => !isAddress(address));
  if (odd !== undefined) return `addresses: ${quoted(odd)} is not IP:PORT`;
  return publicKey === undefined ? undefined : keyProblem(publicKey);
}

/** An entry as it is written into a builder file. */
export function formatEntry({ endpointId, endpointIdFile, relayUrl, publicKey, addresses }: BuilderEntry): object {
  return {
    ...(endpointId !== undefined && { endpoint_id: endpointId }),
    ...(endpointIdFile !== undefined && { endpoint_id_file: endpointIdFile }),
    ...(relayUrl !== undefined && { relay_url: relayUrl }),
    ...(publicKey !== undefined && { public_key: formatPublicKey(parsePublicKey(publicKey)) }),
    ...(addresses !== undefined && addresses.length > 0 && { addresses }),
  };
}

function addressesOf(value: unknown, wrong: (what: string) => Failure): readonly string[] {
  if (value === undefined) return [];
  const texts = Array.isArray(value) ? value.filter(item => typeof item === "string") : [];
  if (!Array.isArray(value) || texts.length !== value.length) throw wrong("addresses must be a list of texts");
  if (texts.length > MAX_ADDRESSES) throw wrong(`addresses has more than ${MAX_ADDRESSES} of them`);
  return texts;
}

function keyProblem(text: string): string | undefined {
  try {
    parsePublicKey(text);
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return `public_key: ${error.message}`;
    throw error;
  }
}

function quoted(text: string): string {
  // A ticket that was pasted here is a secret.
  return /^\s*drvthru/i.test(text) ? "a ticket" : JSON.stringify(text.slice(0, 80));
}
