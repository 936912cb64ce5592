import type { NamedBuilder } from "../client/builders/known.ts";
import type { ShownBuilder } from "../client/builders/manage.ts";

/** A builder as a row of a table: name, endpoint id, where it is, the file that says so. */
export function builderRow({
  name,
  endpointId,
  endpointIdFile,
  relayUrl,
  addresses = [],
  file,
}: NamedBuilder): string[] {
  const places = [...addresses, ...(relayUrl === undefined ? [] : [relayUrl])];
  return [name, endpointId?.slice(0, 12) ?? `in ${endpointIdFile}`, places.join(" ") || "-", file];
}

/** A builder as rows of name and value. */
export function builderRows(builder: ShownBuilder): [string, string][] {
  const { name, endpoint, endpointIdFile, relayUrl, addresses = [], publicKey, remembered, file, overrides } = builder;
  const rows: [string, string][] = [
    ["name", name],
    ["endpoint id", endpointIdFile === undefined ? endpoint : `${endpoint} (in ${endpointIdFile})`],
    ["relay", relayUrl ?? (addresses.length > 0 ? "-" : "public discovery")],
    ["addresses", addresses.join(" ") || "-"],
    ["signing key", publicKey ?? (remembered === undefined ? "the one it names at first use" : remembered.publicKey)],
  ];
  if (remembered !== undefined) rows.push(["remembered", remembered.file]);
  rows.push(["from", overrides === undefined ? file : `${file} (instead of ${overrides})`]);
  return rows;
}

/** A builder for a program. */
export function builderJson(builder: NamedBuilder): object {
  const { name, endpointId, endpointIdFile, relayUrl, addresses, publicKey, file, overrides } = builder;
  return { name, endpointId, endpointIdFile, relayUrl, addresses, publicKey, file, overrides };
}

/** A word as a shell takes it. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9._+@%/:-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
