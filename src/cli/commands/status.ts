import { Command, Option } from "clipanion";
import type { BuilderStatus } from "../../client/builder.ts";
import { ExitCode } from "../exit.ts";
import { LocalCommand } from "../local.ts";
import { statusText } from "../status-text.ts";
import { ticketFrom } from "../target.ts";

/** `status`: what a builder does now. */
export class StatusCommand extends LocalCommand {
  static override paths = [["status"]];
  static usageLine = "[options]";
  static override usage = Command.Usage({
    description: "Show what a builder is doing: capacity, builds, queue, recent results",
    details:
      "Without a ticket: the builder on this machine, everything. With one: own builds, and counts of the others.",
    examples: [
      ["The builder on this machine", "drv-thru status"],
      ["A builder that you have a ticket for", "drv-thru status --ticket drvthru..."],
      ["For a program", "drv-thru status --json"],
    ],
  });

  ticket = Option.String("--ticket", { description: "T | ask this ticket's builder; - reads it from stdin" });
  ticketFile = Option.String("--ticket-file", { description: "PATH | a file with the ticket" });
  keyFile = Option.String("--key-file", { description: "PATH | the client key's file" });

  async execute(): Promise<number> {
    const now = new Date();
    const status = await this.status();
    if (this.json) this.printJson(status);
    else this.print(statusText(status, now));
    return ExitCode.done;
  }

  private async status(): Promise<BuilderStatus> {
    const ticket = await ticketFrom(this, this.context, { environment: false });
    const signal = this.context.signal;
    if (ticket === undefined) return await this.withBuilder(client => client.status({ signal }));
    const { connect } = await import("../../client/connect.ts");
    await using client = await connect({ target: { ticket }, clientKeyFile: this.keyFile, signal });
    return await client.status({ signal });
  }
}
