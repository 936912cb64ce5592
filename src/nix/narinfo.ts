import { MAX_CONTENT_ADDRESS } from "./content-address.ts";
import { FormatError, quoted } from "./format-error.ts";
import { formatSha256, parseSha256, type Sha256 } from "./hash.ts";
import type { PathInfo } from "./path-info.ts";
import { isSignature } from "./signing-key.ts";
import { baseName, parseBaseName, parseStorePath, type StorePath, sortedPaths } from "./store-path.ts";

/** Lines of `Key: value`, each key once but `Sig`; unknown keys are passed over. References and deriver are base names. */

/** What a `.narinfo` file of a binary cache says. */
export interface NarInfo {
  readonly info: PathInfo;
  /** Where the archive is, relative to the cache. */
  readonly url: string;
  /** `none`, `zstd`, `xz`, … */
  readonly compression: string;
  /** Of the compressed archive. */
  readonly fileHash?: Sha256;
  /** Length of the compressed archive in bytes. */
  readonly fileSize?: number;
}

/** Limits of a narinfo: its text in characters, its references and its signatures in number. */
export const NARINFO_LIMITS = { text: 4 << 20, references: 50_000, signatures: 100 } as const;

/** Reads a narinfo. Throws {@link FormatError}. */
export function parseNarInfo(text: string): NarInfo {
  const { fields, signatures } = readFields(text);
  const path = required(fields, "StorePath", parseStorePath);
  const ca = optional(fields, "CA", value => (value.length <= MAX_CONTENT_ADDRESS ? value : undefined));
  const deriver = fields.get("Deriver") === "unknown-deriver" ? undefined : optional(fields, "Deriver", parseBaseName);
  const info: PathInfo = {
    path,
    narHash: required(fields, "NarHash", parseSha256),
    narSize: required(fields, "NarSize", parseSize),
    references: optional(fields, "References", parseReferences) ?? [],
    ...(ca !== undefined && { ca }),
    signatures,
    ...(deriver !== undefined && { deriver }),
  };
  const fileHash = optional(fields, "FileHash", parseSha256);
  const fileSize = optional(fields, "FileSize", parseSize);
  return {
    info,
    url: required(fields, "URL", value => value),
    compression: optional(fields, "Compression", value => value) ?? "bzip2",
    ...(fileHash !== undefined && { fileHash }),
    ...(fileSize !== undefined && { fileSize }),
  };
}

/** A narinfo as Nix writes it. */
export function formatNarInfo({ info, url, compression, fileHash, fileSize }: NarInfo): string {
  const lines = [
    `StorePath: ${info.path}`,
    `URL: ${url}`,
    `Compression: ${compression}`,
    ...(fileHash === undefined ? [] : [`FileHash: ${formatSha256(fileHash, "nix32")}`]),
    ...(fileSize === undefined ? [] : [`FileSize: ${fileSize}`]),
    `NarHash: ${formatSha256(info.narHash, "nix32")}`,
    `NarSize: ${info.narSize}`,
    `References: ${info.references.map(baseName).join(" ")}`,
    ...(info.deriver === undefined ? [] : [`Deriver: ${baseName(info.deriver)}`]),
    ...info.signatures.map(signature => `Sig: ${signature}`),
    ...(info.ca === undefined ? [] : [`CA: ${info.ca}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function readFields(text: string): { fields: Map<string, string>; signatures: string[] } {
  if (text.length > NARINFO_LIMITS.text) throw new FormatError(`a narinfo of ${text.length} characters is too long`);
  const fields = new Map<string, string>();
  const signatures: string[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    // Nix writes "References: " with nothing after it; editors and proxies drop that last space.
    const match = /^([A-Za-z]+):(?: (.*))?$/s.exec(line);
    if (match === null) throw new FormatError(`a narinfo has the line ${quoted(line)}`);
    const [, key = "", value = ""] = match;
    if (key === "Sig") {
      if (!isSignature(value)) throw new FormatError(`a narinfo has the signature ${quoted(value)}`);
      if (signatures.push(value) > NARINFO_LIMITS.signatures)
        throw new FormatError("a narinfo has too many signatures");
    } else if (fields.has(key)) throw new FormatError(`a narinfo says ${key} twice`);
    else fields.set(key, value);
  }
  return { fields, signatures };
}

function required<T>(fields: Map<string, string>, key: string, parse: (value: string) => T | undefined): T {
  const value = optional(fields, key, parse);
  if (value === undefined) throw new FormatError(`a narinfo lacks ${key}`);
  return value;
}

function optional<T>(fields: Map<string, string>, key: string, parse: (value: string) => T | undefined): T | undefined {
  const text = fields.get(key);
  if (text === undefined || (text === "" && key !== "References")) return undefined;
  const value = parse(text);
  if (value === undefined) throw new FormatError(`a narinfo has a bad ${key}: ${quoted(text)}`);
  return value;
}

function parseReferences(text: string): StorePath[] | undefined {
  const names = text.split(" ").filter(name => name !== "");
  if (names.length > NARINFO_LIMITS.references) return undefined;
  const paths = names.map(parseBaseName);
  return paths.every(path => path !== undefined) ? sortedPaths(paths) : undefined;
}

function parseSize(text: string): number | undefined {
  const size = Number(text);
  return /^[0-9]{1,16}$/.test(text) && Number.isSafeInteger(size) ? size : undefined;
}
