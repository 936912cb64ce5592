import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../lib/failure.ts";
import type { EndpointId } from "../lib/ids.ts";
import { readOrMakeKey } from "../lib/key-file.ts";
import { readSecretFile, writeSecretFile } from "../lib/secret-file.ts";
import { errorCode } from "../lib/system-error.ts";
import {
  formatPublicKey,
  formatSecretKey,
  generateSecretKey,
  parsePublicKey,
  parseSecretKey,
  type SecretKey,
} from "../nix/signing-key.ts";
import { idOfSecret } from "../tickets/proof.ts";

/** The builder's own keys. */
export interface BuilderKeys {
  /** The 32-byte secret of its Iroh endpoint. */
  readonly iroh: Uint8Array;
  readonly endpoint: EndpointId;
  /** Signs the paths that leave this builder. */
  readonly signing: SecretKey;
}

/** Reads the keys in a data folder, or makes those of a first start. Throws a {@link Failure}. */
export async function loadKeys(
  dataFolder: string,
  secretKeyFile = join(dataFolder, "secret.key"),
): Promise<BuilderKeys> {
  const { seed, file } = await readOrMakeKey(secretKeyFile);
  // A builder whose id changes at each start would be found by nobody.
  if (file === undefined)
    throw new Failure("failed", "this machine", `the key file ${secretKeyFile} cannot be written`);
  const endpoint = idOfSecret<EndpointId>(seed);
  // Nix tells keys apart by name: those of two builders must differ to be trusted beside each other.
  return { iroh: seed, endpoint, signing: await loadSigningKey(dataFolder, `drv-thru-${endpoint.slice(0, 8)}`) };
}

async function loadSigningKey(dataFolder: string, name: string): Promise<SecretKey> {
  const secretFile = join(dataFolder, "signing-secret.key");
  const publicFile = join(dataFolder, "signing-public.key");
  const [secret, shown] = await Promise.all([readSecretFile(secretFile), readPublic(publicFile)]);
  if (secret === undefined && shown === undefined) return makeSigningKey(secretFile, publicFile, name);
  if (secret === undefined) throw half(secretFile, publicFile, `put it back, or for a new pair: rm ${publicFile}`);
  if (shown === undefined) {
    throw half(publicFile, secretFile, publicFrom(secretFile, publicFile));
  }
  const key = parsedFrom(secretFile, () => parseSecretKey(secret.toString("latin1")));
  if (formatPublicKey(parsedFrom(publicFile, () => parsePublicKey(shown.trim()))) !== formatPublicKey(key.public)) {
    throw new Failure("failed", "this machine", `${publicFile} does not belong to ${secretFile}`, {
      fix: publicFrom(secretFile, publicFile),
    });
  }
  return key;
}

function parsedFrom<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure("failed", "this machine", `${file}: ${why}`, {
      cause,
      fix: "put the right file back, or for a new pair move both away: signing-secret.key and signing-public.key",
    });
  }
}

async function makeSigningKey(secretFile: string, publicFile: string, name: string): Promise<SecretKey> {
  const key = generateSecretKey(name);
  await writeSecretFile(secretFile, `${formatSecretKey(key)}\n`);
  await writeSecretFile(publicFile, `${formatPublicKey(key.public)}\n`, 0o644);
  return key;
}

async function readPublic(file: string): Promise<string | undefined> {
  const text = await readFile(file, "latin1").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (text?.trim() === "") {
    throw new Failure("failed", "this machine", `the public signing key ${file} is empty`, {
      fix: publicFrom(file.replace(/public\.key$/, "secret.key"), file),
    });
  }
  return text;
}

/** The command that makes the public half anew, also with a Nix that was not told to have new commands. */
function publicFrom(secretFile: string, publicFile: string): string {
  return `nix --extra-experimental-features nix-command key convert-secret-to-public < ${secretFile} > ${publicFile}`;
}

function half(missing: string, there: string, fix: string): Failure {
  return new Failure(
    "failed",
    "this machine",
    `half of the signing pair is missing: there is ${there}, but no ${missing}`,
    { fix },
  );
}
