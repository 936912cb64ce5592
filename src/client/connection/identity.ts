import { Failure } from "../../lib/failure.ts";
import type { ClientId } from "../../lib/ids.ts";
import { type KeyFile, readOrMakeKey } from "../../lib/key-file.ts";
import { idOfSecret } from "../../tickets/proof.ts";
import { defaultKeyFile, type Environment } from "../paths.ts";

/** Who is asking. */
export interface Identity extends KeyFile {
  readonly id: ClientId;
}

/** The client key from its file, made on first use. */
export async function loadIdentity(file: string | undefined, env: Environment): Promise<Identity> {
  if (file === "")
    throw new Failure("usage", "this machine", "the client key's file has no name", { fix: "--key-file PATH" });
  const key = await readOrMakeKey(file ?? defaultKeyFile(env));
  return { ...key, id: idOfSecret<ClientId>(key.seed) };
}
