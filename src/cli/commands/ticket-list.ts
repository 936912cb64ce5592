import { Command } from "clipanion";
import { ExitCode } from "../exit.ts";
import { LocalCommand } from "../local.ts";
import { formatColumns } from "../table.ts";
import { timeText, usesText } from "../ticket-text.ts";

/** `ticket list`: oldest first, never a secret. */
export class TicketListCommand extends LocalCommand {
  static override paths = [["ticket", "list"]];
  static usageLine = "[options]";
  static override usage = Command.Usage({
    description: "List the tickets of this machine's builder, oldest first",
    examples: [
      ["All tickets", "drv-thru ticket list"],
      ["For a program: one JSON object a line", "drv-thru ticket list --json"],
    ],
  });

  async execute(): Promise<number> {
    const tickets = await this.withBuilder(client => Array.fromAsync(client.tickets.list()));
    if (this.json) {
      for (const ticket of tickets) this.printJson(ticket);
      return ExitCode.done;
    }
    if (tickets.length === 0) {
      this.note("no tickets\n\ndrv-thru ticket create");
      return ExitCode.done;
    }
    const rows = tickets.map(t => [
      t.id.slice(0, 12),
      t.name,
      t.status,
      usesText(t),
      timeText(t.expiresAt),
      t.boundClient?.slice(0, 12) ?? "-",
    ]);
    this.print(formatColumns([["ID", "NAME", "STATUS", "USES", "EXPIRES", "BOUND TO"], ...rows]));
    return ExitCode.done;
  }
}
