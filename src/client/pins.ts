import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../lib/failure.ts";
import type { EndpointId } from "../lib/ids.ts";
import { writeSecretFile } from "../lib/secret-file.ts";
import { errorCode, whyOf } from "../lib/system-error.ts";
import { formatPublicKey, type PublicKey, parsePublicKey } from "../nix/signing-key.ts";
import { type Environment, stateFolder } from "./paths.ts";

/** The signing key that a builder named when it was first used. */
export interface Pin {
  readonly key: PublicKey;
  /** Where it is kept. */
  readonly file: string;
}

/** Where the signing key of a builder is kept that was named by its endpoint id alone; `undefined` without a home. */
function pinFile(endpoint: EndpointId, env: Environment): string | undefined {
  const folder = stateFolder(env);
  return folder && join(folder, "signing-keys", `${endpoint}.key`);
}

/** The signing key that was kept for a builder. Throws a `Failure` if the file cannot be read: it is never simply replaced. */
export async function readPin(endpoint: EndpointId, env: Environment): Promise<Pin | undefined> {
  const file = pinFile(endpoint, env);
  if (file === undefined) return undefined;
  try {
    return { key: parsePublicKey((await readFile(file, "latin1")).trim()), file };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new Failure(
      "failed",
      "this machine",
      `the signing key kept for a builder in ${file} cannot be read: ${whyOf(error)}`,
      {
        reason: "pin",
        fix: `if it is damaged, ask the builder's owner for its signing key, and then: rm ${file}`,
        cause: error,
      },
    );
  }
}

/** Keeps the signing key of a builder that was used for the first time. Says why not where no file can be written; one that is there is never replaced. */
export async function writePin(endpoint: EndpointId, key: PublicKey, env: Environment): Promise<string | undefined> {
  const file = pinFile(endpoint, env);
  if (file === undefined) return "there is no HOME";
  try {
    await writeSecretFile(file, `${formatPublicKey(key)}\n`);
    return undefined;
  } catch (error) {
    // Another command was first; the next one compares.
    return errorCode(error) === "EEXIST" ? undefined : `${file}: ${whyOf(error)}`;
  }
}
