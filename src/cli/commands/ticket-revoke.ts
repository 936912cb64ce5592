import { Command, Option } from "clipanion";
import { ExitCode } from "../exit.ts";
import { LocalCommand } from "../local.ts";
import { ticketId } from "../ticket-id.ts";

/** `ticket revoke`: ends a ticket. */
export class TicketRevokeCommand extends LocalCommand {
  static override paths = [["ticket", "revoke"]];
  static usageLine = "ID [options]";
  static override usage = Command.Usage({
    description: "End a ticket; builds that run may finish, unless --now",
    examples: [
      ["No new builds by it", "drv-thru ticket revoke 3f9a2c"],
      ["Cancel its running builds too", "drv-thru ticket revoke 3f9a2c --now"],
    ],
  });

  id = Option.String({ required: true, name: "ID" });
  now = Option.Boolean("--now", false, { description: "also cancel its running builds" });

  async execute(): Promise<number> {
    const id = await ticketId(this.id);
    const revoked = await this.withBuilder(client => client.tickets.revoke(id, { now: this.now }));
    if (this.json) this.printJson(revoked);
    else this.print(revoked.ticket.id);
    this.note(
      `revoked "${revoked.ticket.name}": ${revoked.refunded} reserved given back, ${revoked.cancelled} cancelled`,
    );
    return ExitCode.done;
  }
}
