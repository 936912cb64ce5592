import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Failure } from "../../lib/failure.ts";
import { type EndpointId, parseId } from "../../lib/ids.ts";
import { whyOf } from "../../lib/system-error.ts";
import type { Environment } from "../paths.ts";
import type { BuilderEntry } from "./entry.ts";
import { builderFiles, readBuilderFile } from "./file.ts";

/** A builder that this user can name. */
export interface NamedBuilder extends BuilderEntry {
  readonly name: string;
  /** The builder file that says so. */
  readonly file: string;
  /** The machine's file, if it says something else of that name, which does not count. */
  readonly overrides: string | undefined;
}

/** All builders that this user can name, by name. */
export interface KnownBuilders {
  readonly builders: ReadonlyMap<string, NamedBuilder>;
  /** The files that were looked at. */
  readonly looked: readonly string[];
  readonly found: readonly string[];
}

/** Reads the builder files. The user's entry replaces the machine's of the same name as a whole. Throws a `Failure` that names file, builder and field. */
export async function loadBuilders(env: Environment, system?: string): Promise<KnownBuilders> {
  const { paths, required } = builderFiles(env, system);
  const builders = new Map<string, NamedBuilder>();
  const found: string[] = [];
  for (const file of paths) {
    const read = await readBuilderFile(file);
    if (read === undefined && required) throw missingFile(file);
    if (read === undefined) continue;
    found.push(file);
    for (const [name, entry] of read.entries)
      builders.set(name, { ...entry, name, file, overrides: builders.get(name)?.file });
  }
  return { builders, looked: paths, found };
}

/** The builder of that name. Throws a usage `Failure` that lists the known ones, or the files that were looked at. */
export async function findBuilder(name: string, env: Environment, system?: string): Promise<NamedBuilder> {
  const known = await loadBuilders(env, system);
  const builder = known.builders.get(name);
  if (builder === undefined) throw unknownBuilder(name, known);
  return builder;
}

/** The error for a name that no builder file has. */
export function unknownBuilder(name: string, { builders, looked, found }: KnownBuilders): Failure {
  if (/^\s*drvthru/i.test(name)) {
    return new Failure("usage", "this machine", "that is a ticket, not the name of a builder", {
      fix: "--ticket TICKET",
    });
  }
  const shown = JSON.stringify(name.slice(0, 80));
  const add = `drv-thru builder add ${/^[A-Za-z0-9._-]{1,80}$/.test(name) ? name : "NAME"} --endpoint-id ID`;
  if (found.length === 0) {
    const message = `no builder ${shown} is known: there is no builder file; looked at\n${looked.map(path => `  ${path}`).join("\n")}`;
    return new Failure("usage", "this machine", message, { reason: "builder-unknown-name", fix: add });
  }
  const names = [...builders.keys()].sort();
  const known = names.length === 0 ? `none is in ${found.join(" or ")}` : `known are ${names.join(", ")}`;
  return new Failure("usage", "this machine", `no builder ${shown} is known; ${known}`, {
    reason: "builder-unknown-name",
    fix: add,
  });
}

/** The endpoint id of a builder, from its entry or, now, from the file that holds it. Throws a `Failure` with that file's path. */
export async function endpointIdOf(builder: NamedBuilder): Promise<EndpointId> {
  const { name, endpointId = "", endpointIdFile } = builder;
  const path = endpointIdFile === undefined ? undefined : resolve(dirname(builder.file), endpointIdFile);
  const text = path === undefined ? endpointId : await readIdFile(name, path);
  const id = parseId<EndpointId>(text);
  if (id !== undefined) return id;
  // Whatever stands in such a file may be a secret.
  throw badIdFile(name, path ?? builder.file, "it does not hold an endpoint id (64 hex digits) and nothing else");
}

async function readIdFile(name: string, path: string): Promise<string> {
  try {
    if ((await stat(path)).size > 4096) throw new Error("it is larger than 4096 bytes");
    return (await readFile(path, "latin1")).trim();
  } catch (error) {
    throw badIdFile(name, path, whyOf(error), error);
  }
}

function badIdFile(name: string, path: string, why: string, cause?: unknown): Failure {
  const message = `the endpoint id of builder ${JSON.stringify(name)} cannot be read from ${path}: ${why}`;
  return new Failure("usage", "this machine", message, {
    reason: "endpoint-id-file",
    fix: "put there what `drv-thru status` prints in its first line on the builder",
    cause,
  });
}

function missingFile(file: string): Failure {
  return new Failure("usage", "this machine", `DRV_THRU_BUILDERS_CONFIG names ${file}, and there is no such file`, {
    reason: "builder-file",
    fix: "unset DRV_THRU_BUILDERS_CONFIG",
  });
}
