import { loadIdentity } from "./connection/identity.ts";

/** A client's identity. */
export interface ClientKeyInfo {
  /** The id to give to a builder's owner: 64 hex digits. */
  readonly id: string;
  /** Where the key is kept, or nothing if it lives in memory only because no file could be written. */
  readonly file: string | undefined;
  readonly created: boolean;
}

/** The client key of this user, made on first use. Throws `Failure` if its file can be read by others, or is no key. */
export async function clientKey(options: { file?: string | undefined } = {}): Promise<ClientKeyInfo> {
  const { id, file, created } = await loadIdentity(options.file, process.env);
  return { id, file, created };
}
