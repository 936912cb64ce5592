import { Command, Option } from "clipanion";
import type { TicketInfo } from "../../client/builder.ts";
import type { TicketTextInfo } from "../../client/inspect.ts";
import { Failure } from "../../lib/failure.ts";
import { ExitCode } from "../exit.ts";
import { LocalCommand } from "../local.ts";
import { readSecret } from "../secret.ts";
import { formatColumns } from "../table.ts";
import { ticketRows } from "../ticket-text.ts";

/** `ticket inspect`: what a ticket's text says, on any machine, and its record where its builder runs. */
export class TicketInspectCommand extends LocalCommand {
  static override paths = [["ticket", "inspect"]];
  static usageLine = "TICKET [options]";
  static override usage = Command.Usage({
    description: "Show what a ticket says; on its builder also its record",
    details: "TICKET is a ticket's text, or on the builder an id or the beginning of one. `-` reads it from stdin.",
    examples: [
      ["A ticket somebody sent", "drv-thru ticket inspect drvthru..."],
      ["On the builder, by id", "drv-thru ticket inspect 3f9a2c"],
      ["Without the secret in the list of processes", "drv-thru ticket inspect - < ticket.txt"],
    ],
  });

  ticket = Option.String({ required: true, name: "TICKET" });

  async execute(): Promise<number> {
    const given = (this.ticket === "-" ? await readSecret(this.context.stdin) : this.ticket).trim();
    if (/^[0-9a-f]{4,64}$/i.test(given)) return await this.byId(given.toLowerCase());
    const { inspectTicketText } = await import("../../client/index.ts");
    const text = inspectTicketText(given);
    const record = await this.recordOf(text.ticketId);
    if (this.json) this.printJson({ ...text, record: record ?? null });
    else
      this.print(formatColumns([...textRows(text), ...(record ? ticketRows(record) : [["record", "no record here"]])]));
    return ExitCode.done;
  }

  private async byId(id: string): Promise<number> {
    const record = await this.withBuilder(client => client.tickets.inspect(id));
    if (this.json) this.printJson({ record });
    else this.print(formatColumns([["id", record.id], ...ticketRows(record)]));
    return ExitCode.done;
  }

  /** The text is readable anywhere; that no builder answers here, or that it has no such ticket, is not an error. */
  private async recordOf(id: string): Promise<TicketInfo | undefined> {
    try {
      return await this.withBuilder(client => client.tickets.inspect(id));
    } catch (error) {
      if (
        this.dataDir === undefined &&
        error instanceof Failure &&
        (error.code === "unreachable" || error.code === "not-permitted")
      ) {
        return undefined;
      }
      if (error instanceof Failure && error.reason === "ticket-unknown") return undefined;
      throw error;
    }
  }
}

function textRows(text: TicketTextInfo): [string, string][] {
  return [
    ["id", text.ticketId],
    ["builder", text.endpointId],
    ["signing key", text.signingKey],
    ["relays", text.relayUrls.join(" ") || "-"],
    ["addresses", text.addresses.join(" ") || "-"],
  ];
}
