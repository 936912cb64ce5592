import { Failure } from "../../lib/failure.ts";
import { type ClientId, type EndpointId, parseId } from "../../lib/ids.ts";
import { type KeyFile, readOrMakeKey } from "../../lib/key-file.ts";
import { type PublicKey, parsePublicKey } from "../../nix/signing-key.ts";
import { idOfSecret } from "../../tickets/proof.ts";
import { parseTicket } from "../../tickets/text.ts";
import { defaultKeyFile, type Environment } from "../paths.ts";
import type { BuildTarget } from "../target.ts";
import type { Peer } from "./dial.ts";

/** A builder as it was named, with what proves the right to use it. */
export interface Destination {
  readonly peer: Peer & { readonly endpointId: EndpointId };
  /** The ticket's id and secret, if there is one. */
  readonly ticket: { readonly id: string; readonly secret: Uint8Array } | undefined;
  /** The builder's Nix signing key, if it is known before connecting. */
  readonly signingKey: PublicKey | undefined;
}

/** Reads a target. Throws a usage `Failure` that does not repeat a ticket. */
export function parseTarget(target: BuildTarget): Destination {
  if ("ticket" in target) {
    const { id, endpointId, relayUrls, addresses, secret, signingKey } = parseTicket(target.ticket);
    return {
      peer: { endpointId, relayUrls, addresses },
      ticket: { id, secret },
      signingKey: parsePublicKey(signingKey),
    };
  }
  const { endpointId: text, relayUrls = [], addresses = [], signingKey } = target.server;
  const endpointId = parseId<EndpointId>(text.trim().toLowerCase());
  if (endpointId === undefined) {
    // Whatever was pasted here may be a secret.
    const shown = /^\s*drvthru/i.test(text) ? "a ticket" : `"${text.slice(0, 80)}"`;
    throw new Failure("usage", "this machine", `${shown} is not an endpoint id: expected 64 hex digits`, {
      fix: "ask the builder's owner for what `drv-thru status` prints there in its first line",
    });
  }
  const key = signingKey === undefined ? undefined : parsePublicKey(signingKey);
  return { peer: { endpointId, relayUrls, addresses }, ticket: undefined, signingKey: key };
}

/** Who is asking. */
export interface Identity extends KeyFile {
  readonly id: ClientId;
}

/** The client key from its file, made on first use. */
export async function loadIdentity(file: string | undefined, env: Environment): Promise<Identity> {
  const key = await readOrMakeKey(file ?? defaultKeyFile(env));
  return { ...key, id: idOfSecret<ClientId>(key.seed) };
}
