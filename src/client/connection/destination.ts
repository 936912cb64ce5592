import { Failure } from "../../lib/failure.ts";
import { type EndpointId, parseId } from "../../lib/ids.ts";
import { type PublicKey, parsePublicKey } from "../../nix/signing-key.ts";
import { parseTicket } from "../../tickets/text.ts";
import { endpointIdOf, findBuilder } from "../builders/known.ts";
import type { Environment } from "../paths.ts";
import { readPin } from "../pins.ts";
import type { BuildTarget, ServerTarget } from "../target.ts";
import type { Peer } from "./dial.ts";

/** A builder as it was named, with what proves the right to use it. */
export interface Destination {
  readonly peer: Peer & { readonly endpointId: EndpointId };
  /** As a builder file calls it. */
  readonly name: string | undefined;
  /** The ticket's id and secret, if there is one. */
  readonly ticket: { readonly id: string; readonly secret: Uint8Array } | undefined;
  /** The builder's Nix signing key, if it is known before connecting. */
  readonly signingKey: PublicKey | undefined;
  /** Who said so: the ticket, the caller, a builder file, or the builder itself when it was first used. */
  readonly keyFrom: KeyFrom | undefined;
}

/** Where a signing key is known from. */
export type KeyFrom =
  | { readonly kind: "ticket" | "caller" }
  | { readonly kind: "builder-file" | "first-use"; readonly file: string };

/** Finds out where a target is and what is known of it. Throws a `Failure` that does not repeat a ticket. */
export async function findDestination(target: BuildTarget, env: Environment): Promise<Destination> {
  if ("ticket" in target) return ofTicket(target.ticket);
  if ("server" in target) return await withPin(ofServer(target.server), env);
  const builder = await findBuilder(target.builder, env);
  const endpointId = await endpointIdOf(builder);
  const { name, relayUrl, addresses = [], publicKey, file } = builder;
  const peer = { endpointId, relayUrls: relayUrl === undefined ? [] : [relayUrl], addresses };
  const known = publicKey === undefined ? undefined : parsePublicKey(publicKey);
  const keyFrom: KeyFrom = { kind: "builder-file", file };
  return await withPin({ peer, name, ticket: undefined, signingKey: known, keyFrom: known && keyFrom }, env);
}

/** Reads a ticket's text. Throws a usage `Failure` that does not repeat it. */
export function ofTicket(text: string): Destination {
  const { id, endpointId, relayUrls, addresses, secret, signingKey } = parseTicket(text);
  return {
    peer: { endpointId, relayUrls, addresses },
    name: undefined,
    ticket: { id, secret },
    signingKey: parsePublicKey(signingKey),
    keyFrom: { kind: "ticket" },
  };
}

function ofServer({ endpointId: text, relayUrls = [], addresses = [], signingKey }: ServerTarget): Destination {
  const endpointId = parseId<EndpointId>(text.trim().toLowerCase());
  if (endpointId === undefined) {
    // Whatever was pasted here may be a secret.
    const shown = /^\s*drvthru/i.test(text) ? "a ticket" : `"${text.slice(0, 80)}"`;
    throw new Failure("usage", "this machine", `${shown} is not an endpoint id: expected 64 hex digits`, {
      fix: "ask the builder's owner for what `drv-thru status` prints there in its first line",
    });
  }
  const key = signingKey === undefined ? undefined : parsePublicKey(signingKey);
  const peer = { endpointId, relayUrls, addresses };
  return { peer, name: undefined, ticket: undefined, signingKey: key, keyFrom: key && { kind: "caller" } };
}

/** What somebody has said of the key counts; else what the builder said when it was first used. */
async function withPin(destination: Destination, env: Environment): Promise<Destination> {
  if (destination.signingKey !== undefined) return destination;
  const pin = await readPin(destination.peer.endpointId, env);
  return pin === undefined
    ? destination
    : { ...destination, signingKey: pin.key, keyFrom: { kind: "first-use", file: pin.file } };
}
