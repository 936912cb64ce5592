import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type TicketText, TicketTextSchema } from "../../gen/drvthru/v1/tickets_pb.js";
import { Failure } from "../lib/failure.ts";
import { type EndpointId, idFromBytes, idToBytes, type TicketId } from "../lib/ids.ts";
import { bad, COPY_AGAIN, readLine, writeLine } from "./line.ts";
import { isAddress, isRelayUrl } from "./place.ts";
import { idOfSecret } from "./proof.ts";

/** What a ticket's text says. */
export interface TicketContents {
  readonly endpointId: EndpointId;
  /** At most 8 URLs of at most 256 bytes. */
  readonly relayUrls: readonly string[];
  /** At most 32 of IP:PORT. */
  readonly addresses: readonly string[];
  /** 32 bytes: whoever has them may spend the ticket. */
  readonly secret: Uint8Array;
  /** The builder's Nix signing key as name:base64. */
  readonly signingKey: string;
}

/** What a ticket's text says, with the id that follows from its secret. */
export interface ParsedTicket extends TicketContents {
  readonly id: TicketId;
}

const VERSION = 1;

/** The one line of text that is handed out. */
export function formatTicket(contents: TicketContents): string {
  const { relayUrls, addresses, secret, signingKey } = contents;
  const endpointId = idToBytes(contents.endpointId);
  const fields = {
    version: VERSION,
    endpointId,
    relayUrls: [...relayUrls],
    addresses: [...addresses],
    secret,
    signingKey,
  };
  const message = create(TicketTextSchema, fields);
  const problem = contentProblem(message);
  if (problem !== undefined) throw new Error(`no ticket can say this: ${problem}`);
  const payload = toBinary(TicketTextSchema, message);
  return writeLine(payload);
}

/** Reads a ticket's text; white space around it and upper case do not matter. Throws a usage {@link Failure} that never repeats the text. */
export function parseTicket(text: string): ParsedTicket {
  const message = decode(readLine(text));
  if (message.version !== VERSION) {
    throw bad("this ticket was made by a newer version of drv-thru", "update drv-thru on this machine");
  }
  const problem = contentProblem(message);
  const endpointId = idFromBytes<EndpointId>(message.endpointId);
  if (problem !== undefined || endpointId === undefined) throw bad(`this ticket cannot be used: ${problem}`);
  const { relayUrls, addresses, secret, signingKey } = message;
  return { id: idOfSecret(secret), endpointId, relayUrls, addresses, secret, signingKey };
}

function decode(payload: Uint8Array): TicketText {
  try {
    return fromBinary(TicketTextSchema, payload);
  } catch (cause) {
    throw new Failure("usage", "this machine", "the ticket is damaged or incomplete", { cause, fix: COPY_AGAIN });
  }
}

function contentProblem(ticket: TicketText): string | undefined {
  if (ticket.endpointId.length !== 32) return "its endpoint id is not 32 bytes";
  if (ticket.secret.length !== 32) return "its secret is not 32 bytes";
  if (ticket.relayUrls.length > 8) return "it names more than 8 relays";
  if (ticket.addresses.length > 32) return "it names more than 32 addresses";
  if (!ticket.relayUrls.every(isRelayUrl)) return "a relay of it is not a URL";
  if (!ticket.addresses.every(isAddress)) return "an address of it is not IP:PORT";
  return isSigningKey(ticket.signingKey) ? undefined : "its signing key is not name:base64";
}

function isSigningKey(text: string): boolean {
  const match = /^[^:\s\p{Cc}]{1,128}:([A-Za-z0-9+/]{43}=)$/u.exec(text);
  return match !== null && Buffer.from(match[1] ?? "", "base64").length === 32;
}
