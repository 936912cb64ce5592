import { randomBytes } from "node:crypto";
import { Code, type ConnectError } from "@connectrpc/connect";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { TicketsCreateRequest } from "../../gen/drvthru/v1/tickets_pb.js";
import { type ClientId, idFromBytes, type TicketId } from "../lib/ids.ts";
import { defaultName, nameProblem, ticketLimits } from "../tickets/limits.ts";
import { idOfSecret } from "../tickets/proof.ts";
import { sealSecret } from "../tickets/seal.ts";
import type { Ticket } from "../tickets/ticket.ts";
import { refuse } from "./refusal.ts";

/** Makes a ticket of what was asked for. Throws a refusal that names the field. */
export function newTicket(
  request: TicketsCreateRequest,
  sealingKey: Uint8Array,
  now: number,
): { ticket: Ticket; secret: Uint8Array } {
  const name = request.name === "" ? defaultName(now) : request.name;
  const problem = nameProblem(name);
  if (problem !== undefined) throw malformed("name", problem);
  const uses = whole("uses", request.uses, 0, ticketLimits.uses);
  const secret = Uint8Array.from(randomBytes(32));
  const id = idOfSecret<TicketId>(secret);
  const ticket: Ticket = {
    id,
    name,
    createdAt: now,
    expiresAt: now + whole("expires_seconds", request.expiresSeconds, 1, ticketLimits.seconds) * 1000,
    uses: uses === 0 ? undefined : uses,
    committed: 0,
    reserved: 0,
    maxBuildSeconds: whole("max_build_seconds", request.maxBuildSeconds, 1, ticketLimits.seconds),
    maxUploadBytes: whole("max_upload_bytes", request.maxUploadBytes, 1, ticketLimits.uploadBytes),
    boundClient: boundClient(request.boundClient),
    revokedAt: undefined,
    ...(request.noAddresses ? { noAddresses: true } : {}),
    sealedSecret: sealSecret(sealingKey, id, secret),
  };
  return { ticket, secret };
}

function whole(field: string, value: bigint, least: number, most: number): number {
  if (value >= BigInt(least) && value <= BigInt(most)) return Number(value);
  throw malformed(field, `${field} is ${value}; it must be ${least} to ${most}`);
}

function boundClient(bytes: Uint8Array): ClientId | undefined {
  if (bytes.length === 0) return undefined;
  const id = idFromBytes<ClientId>(bytes);
  if (id === undefined) throw malformed("bound_client", "a client's id has 32 bytes");
  return id;
}

function malformed(field: string, message: string): ConnectError {
  return refuse(Reason.MALFORMED, Code.InvalidArgument, message, { subject: field });
}
