import { Failure } from "../lib/failure.ts";

/** A ticket's id, or the beginning of one, as a command was given it; a ticket's text stands for its id. */
export async function ticketId(given: string): Promise<string> {
  const text = given.trim().toLowerCase();
  if (/^[0-9a-f]{4,64}$/.test(text)) return text;
  // Whatever may be a ticket is a secret: it is not repeated.
  if (text.startsWith("drvthru")) {
    const { inspectTicketText } = await import("../client/index.ts");
    return inspectTicketText(text).ticketId;
  }
  throw new Failure("usage", "this machine", `${JSON.stringify(given.slice(0, 64))} is not the id of a ticket`, {
    fix: "an id is 64 hex digits, or at least the first 4 of them: drv-thru ticket list",
  });
}
