import { Failure } from "../../lib/failure.ts";
import type { EndpointId } from "../../lib/ids.ts";
import { formatPublicKey } from "../../nix/signing-key.ts";
import type { Environment } from "../paths.ts";
import { readPin } from "../pins.ts";
import { editBuilders } from "./edit.ts";
import { type BuilderEntry, builderNameProblem, formatEntry, problemOf } from "./entry.ts";
import { builderFiles } from "./file.ts";
import { endpointIdOf, findBuilder, loadBuilders, type NamedBuilder, unknownBuilder } from "./known.ts";

/** What came of a change. */
export interface BuilderChange {
  /** The file that was changed. */
  readonly file: string;
  /** The builder of that name that counts now, from this file or from the machine's. */
  readonly now: NamedBuilder | undefined;
}

/** Writes a builder into the user's file. Throws a usage `Failure` if it has one of that name, unless `replace`, and for a wrong name or entry. */
export async function addBuilder(
  name: string,
  entry: BuilderEntry,
  env: Environment,
  { replace = false, system }: { readonly replace?: boolean; readonly system?: string | undefined } = {},
): Promise<BuilderChange> {
  const unfit = builderNameProblem(name);
  if (unfit !== undefined) throw new Failure("usage", "this machine", unfit, { fix: "drv-thru builder add NAME" });
  const wrong = problemOf(entry);
  if (wrong !== undefined)
    throw new Failure("usage", "this machine", `builder ${JSON.stringify(name)}: ${wrong}`, {
      reason: "builder-entry",
    });
  const file = ownFile(env);
  await editBuilders(file, builders => {
    if (builders.has(name) && !replace) throw taken(name, file);
    builders.set(name, formatEntry(entry));
  });
  return await changedTo(name, file, env, system);
}

/** Takes a builder out of the user's file. Throws a usage `Failure` if it is not there. */
export async function removeBuilder(name: string, env: Environment, system?: string): Promise<BuilderChange> {
  const file = ownFile(env);
  const known = await loadBuilders(env, system);
  const builder = known.builders.get(name);
  if (builder === undefined) throw unknownBuilder(name, known);
  if (builder.file !== file) throw ofTheMachine(builder);
  await editBuilders(file, builders => {
    if (!builders.delete(name)) throw unknownBuilder(name, known);
  });
  return await changedTo(name, file, env, system);
}

/** A builder with all that is known of it here. */
export interface ShownBuilder extends NamedBuilder {
  /** As it is now, also where a file holds it. */
  readonly endpoint: EndpointId;
  /** The signing key that it named when it was first used, where none is configured. */
  readonly remembered: { readonly publicKey: string; readonly file: string } | undefined;
}

/** Looks a builder up. Throws a `Failure` for an unknown name, and for an `endpoint_id_file` that cannot be read. */
export async function showBuilder(name: string, env: Environment, system?: string): Promise<ShownBuilder> {
  const builder = await findBuilder(name, env, system);
  const endpoint = await endpointIdOf(builder);
  const pin = builder.publicKey === undefined ? await readPin(endpoint, env) : undefined;
  const remembered = pin && { publicKey: formatPublicKey(pin.key), file: pin.file };
  return { ...builder, endpoint, remembered };
}

async function changedTo(name: string, file: string, env: Environment, system?: string): Promise<BuilderChange> {
  return { file, now: (await loadBuilders(env, system)).builders.get(name) };
}

function ownFile(env: Environment): string {
  const { own } = builderFiles(env);
  if (own !== undefined) return own;
  throw new Failure(
    "usage",
    "this machine",
    "neither XDG_CONFIG_HOME nor HOME is set, so there is no place for your builders",
    {
      reason: "no-home",
      fix: "set HOME, or name a file: DRV_THRU_BUILDERS_CONFIG=FILE",
    },
  );
}

function taken(name: string, file: string): Failure {
  return new Failure("usage", "this machine", `there is a builder ${JSON.stringify(name)} in ${file} already`, {
    reason: "builder-name-taken",
    fix: "pass --replace, or choose another name",
  });
}

function ofTheMachine({ name, file }: NamedBuilder): Failure {
  const message = `the builder ${JSON.stringify(name)} is one of this machine's, in ${file}, which this command does not change`;
  return new Failure("usage", "this machine", message, {
    reason: "builder-of-machine",
    fix: "its administrator removes it there (on NixOS: services.drv-thru.client.builders)",
  });
}
