import { readFile, stat } from "node:fs/promises";
import { Failure } from "../../lib/failure.ts";
import { errorCode, whyOf } from "../../lib/system-error.ts";
import { cleanLine } from "../../lib/terminal.ts";
import { configFolder, type Environment } from "../paths.ts";
import { type BuilderEntry, builderNameProblem, parseEntry } from "./entry.ts";

/** The machine's builder file, which the NixOS module writes. */
const SYSTEM_FILE = "/etc/drv-thru/builders.json";

/** Most bytes of a builder file. */
export const MAX_FILE = 2 ** 20;

/** A builder file as it was read. */
export interface BuilderFile {
  /** As it stands there, for whoever edits it. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly entries: ReadonlyMap<string, BuilderEntry>;
}

/** Which builder files count, the later ones more; one that was named must be there. */
export interface BuilderFiles {
  readonly paths: readonly string[];
  readonly required: boolean;
  /** The one that this user edits; none without a home. */
  readonly own: string | undefined;
}

/** Where builder files are looked for: only `DRV_THRU_BUILDERS_CONFIG` if that is set, else the machine's and the user's own. */
export function builderFiles(env: Environment, system = SYSTEM_FILE): BuilderFiles {
  const named = env["DRV_THRU_BUILDERS_CONFIG"];
  if (named) return { paths: [named], required: true, own: named };
  const folder = configFolder(env);
  const own = folder && `${folder}/builders.json`;
  return { paths: [system, ...(own === undefined ? [] : [own])], required: false, own };
}

/** Reads a builder file; `undefined` if there is none. Throws a `Failure` that names the file, the builder and the field. */
export async function readBuilderFile(path: string): Promise<BuilderFile | undefined> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE) throw new Error("it is larger than 1 MiB");
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw bad(path, whyOf(error), error);
  }
  return parseBuilderFile(text, path);
}

/** Reads the text of a builder file. Throws likewise. */
export function parseBuilderFile(text: string, path: string): BuilderFile {
  const json = objectOf(parseJson(text, path), path, "the whole");
  for (const field of Object.keys(json)) {
    if (field !== "builders")
      throw bad(path, `${JSON.stringify(field.slice(0, 80))} is not a field; there is builders`);
  }
  const entries = new Map<string, BuilderEntry>();
  for (const [name, value] of Object.entries(objectOf(json["builders"] ?? {}, path, "builders"))) {
    const unfit = builderNameProblem(name);
    if (unfit !== undefined) throw bad(path, unfit);
    entries.set(
      name,
      parseEntry(value, what => bad(path, `builder ${JSON.stringify(name)}: ${what}`)),
    );
  }
  return { json, entries };
}

function objectOf(value: unknown, path: string, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw bad(path, `${what} must be an object`);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cleanLine(cause.message, 200) : "";
    throw bad(path, `it is not JSON (which has no comments): ${why}`, cause);
  }
}

function bad(path: string, what: string, cause?: unknown): Failure {
  return new Failure("usage", "this machine", `the builder file ${path} cannot be used: ${what}`, {
    reason: "builder-file",
    fix: `{"builders": {"NAME": {"endpoint_id": "64 hex digits", "relay_url": null}}} is what stands in such a file`,
    cause,
  });
}
