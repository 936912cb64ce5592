import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type TicketRecordSchema, TicketStatus } from "../../gen/drvthru/v1/tickets_pb.js";
import { idToBytes } from "../lib/ids.ts";
import { ticketStatus } from "../tickets/status.ts";
import type { TicketStatus as Status, Ticket } from "../tickets/ticket.ts";

const STATUS: Readonly<Record<Status, TicketStatus>> = {
  active: TicketStatus.ACTIVE,
  revoked: TicketStatus.REVOKED,
  expired: TicketStatus.EXPIRED,
  exhausted: TicketStatus.EXHAUSTED,
};

/** A ticket as the wire shows it at a time: everything but its secret. */
export function ticketRecord(ticket: Ticket, now: number): MessageInitShape<typeof TicketRecordSchema> {
  return {
    id: idToBytes(ticket.id),
    name: ticket.name,
    status: STATUS[ticketStatus(ticket, now)],
    createdAt: timestampFromMs(ticket.createdAt),
    expiresAt: timestampFromMs(ticket.expiresAt),
    uses: BigInt(ticket.uses ?? 0),
    usesCommitted: BigInt(ticket.committed),
    usesReserved: BigInt(ticket.reserved),
    maxBuildSeconds: BigInt(ticket.maxBuildSeconds),
    maxUploadBytes: BigInt(ticket.maxUploadBytes),
    ...(ticket.boundClient === undefined ? {} : { boundClient: idToBytes(ticket.boundClient) }),
    ...(ticket.revokedAt === undefined ? {} : { revokedAt: timestampFromMs(ticket.revokedAt) }),
  };
}
