import { Code } from "@connectrpc/connect";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { State } from "../state/state.ts";
import type { Ticket } from "../tickets/ticket.ts";
import { refuse } from "./refusal.ts";

/** Most tickets that the error for an ambiguous id names. */
const MOST_NAMED = 4;

/** The ticket that an id, or enough of its beginning, names. Throws a refusal. */
export function findTicket(state: Pick<State, "ticketsByPrefix">, id: string): Ticket {
  const prefix = id.toLowerCase();
  if (!/^[0-9a-f]{4,64}$/.test(prefix)) {
    // Not repeated: it may be a whole ticket.
    const message = "a ticket is named by its id: 64 hex digits, or at least the first 4";
    throw refuse(Reason.MALFORMED, Code.InvalidArgument, message, { subject: "id", fix: "drv-thru ticket list" });
  }
  const found = state.ticketsByPrefix(prefix, MOST_NAMED + 1);
  const [ticket, another] = found;
  if (ticket === undefined) throw ticketNotFound(prefix);
  if (another === undefined) return ticket;
  throw ambiguous(prefix, found);
}

/** Names the tickets that are meant by chance, each by as much of its id as tells it from the others. */
function ambiguous(prefix: string, found: readonly Ticket[]): Error {
  const digits = Math.min(64, shared(found.map(ticket => ticket.id)) + 4);
  const named = found.slice(0, MOST_NAMED).map(({ id, name }) => `${id.slice(0, digits)} (${name})`);
  const others = found.length > MOST_NAMED ? [...named, "others"] : named;
  const message = `${prefix} begins the ids of more than one ticket: ${others.join(", ")}`;
  const fix = "give more of its digits: drv-thru ticket list";
  return refuse(Reason.MALFORMED, Code.InvalidArgument, message, { subject: prefix, fix });
}

/** How many characters all of these begin with. */
function shared([first = "", ...others]: readonly string[]): number {
  const differs = [...first].findIndex((digit, at) => others.some(other => other[at] !== digit));
  return differs < 0 ? first.length : differs;
}

/** The refusal for a ticket that is not there. */
export function ticketNotFound(id: string): Error {
  return refuse(Reason.TICKET_UNKNOWN, Code.NotFound, `ticket not found: ${id}`, {
    subject: id,
    fix: "drv-thru ticket list",
  });
}
