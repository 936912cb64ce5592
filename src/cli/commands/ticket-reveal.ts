import { Command, Option } from "clipanion";
import { ExitCode } from "../exit.ts";
import { LocalCommand } from "../local.ts";
import { ticketId } from "../ticket-id.ts";

/** `ticket reveal`: the text again. */
export class TicketRevealCommand extends LocalCommand {
  static override paths = [["ticket", "reveal"]];
  static usageLine = "ID [options]";
  static override usage = Command.Usage({
    description: "Print a ticket's text again, with this machine's present addresses",
    examples: [["By the beginning of its id", "drv-thru ticket reveal 3f9a2c"]],
  });

  id = Option.String({ required: true, name: "ID" });

  async execute(): Promise<number> {
    const id = await ticketId(this.id);
    const { text, ticket } = await this.withBuilder(client => client.tickets.reveal(id));
    if (this.json) this.printJson({ ticket: text, ...ticket });
    else this.print(text);
    if (ticket.status !== "active") this.note(`note: this ticket is ${ticket.status}`);
    return ExitCode.done;
  }
}
