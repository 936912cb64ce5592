import { Command, Option } from "clipanion";
import type { TicketOptions } from "../../client/builder.ts";
import { Failure } from "../../lib/failure.ts";
import { parseDuration, parseSize } from "../../lib/units.ts";
import { ExitCode } from "../exit.ts";
import { flagValue } from "../flag.ts";
import { LocalCommand } from "../local.ts";
import { timeText, usesText } from "../ticket-text.ts";

/** `ticket create`: stdout is the ticket alone. */
export class TicketCreateCommand extends LocalCommand {
  static override paths = [["ticket", "create"]];
  static usageLine = "[options]";
  static override usage = Command.Usage({
    description: "Make a ticket: one line of text that starts builds here",
    examples: [
      ["One build within two hours", "drv-thru ticket create"],
      ["Ten builds for a friend, this week", "drv-thru ticket create --name friend --uses 10 --expires 7d"],
      ["Only for one client", 'drv-thru ticket create --bind-client "$CLIENT_ID"'],
    ],
  });

  name = Option.String("--name", { description: "NAME | for people (default: ticket-<unix seconds>)" });
  expires = Option.String("--expires", "2h", {
    description: "TIME | how long it is valid: 90s, 30m, 2h, 7d (default 2h)",
  });
  uses = Option.String("--uses", { description: "N | how many builds it starts, or unlimited (default 1)" });
  unlimited = Option.Boolean("--unlimited", false, { description: "any number of builds until it expires" });
  maxBuildTime = Option.String("--max-build-time", "30m", {
    description: "TIME | longest time of one build, without waiting (default 30m)",
  });
  maxUploadBytes = Option.String("--max-upload-bytes", "20G", {
    description: "SIZE | most bytes that one build may send, unpacked: 500M, 20G (default 20G)",
  });
  bindClient = Option.String("--bind-client", {
    description: "ID | only this client may use it (see: drv-thru key show)",
  });
  noAddresses = Option.Boolean("--no-addresses", false, { description: "leave this machine's IP addresses out of it" });

  async execute(): Promise<number> {
    const options = this.options();
    const { checkTicketOptions } = await import("../../client/index.ts");
    // Before a builder is looked for: what no builder would make is wrong usage also where none runs.
    checkTicketOptions(options);
    const { text, ticket } = await this.withBuilder(client => client.tickets.create(options));
    if (this.json) {
      this.printJson({ ticket: text, ...ticket });
      return ExitCode.done;
    }
    this.print(text);
    this.note(
      `ticket ${ticket.id.slice(0, 12)} "${ticket.name}": ${usesText(ticket)}, until ${timeText(ticket.expiresAt)}`,
    );
    this.note(`\nSend this to whoever may build here (it is a secret):\n  drv-thru build INSTALLABLE --ticket ${text}`);
    return ExitCode.done;
  }

  /** Everything wrong with the flags is said before the builder is asked. */
  private options(): TicketOptions {
    if (this.name !== undefined && this.name.trim() === "") throw usage("--name must not be blank", "--name friend");
    if (this.unlimited && this.uses !== undefined) {
      throw usage("--uses and --unlimited exclude each other", "give one of them");
    }
    const boundClient = this.bindClient?.trim().toLowerCase();
    if (boundClient !== undefined && !/^[0-9a-f]{64}$/.test(boundClient)) {
      throw usage(
        `--bind-client ${JSON.stringify(boundClient.slice(0, 80))} is not a client id (64 hex digits)`,
        "on the client: drv-thru key show",
      );
    }
    return {
      name: this.name,
      expiresSeconds: flagValue("--expires", this.expires, parseDuration),
      uses: this.unlimited ? "unlimited" : parseUses(this.uses ?? "1"),
      maxBuildSeconds: flagValue("--max-build-time", this.maxBuildTime, parseDuration),
      maxUploadBytes: flagValue("--max-upload-bytes", this.maxUploadBytes, parseSize),
      boundClient,
      noAddresses: this.noAddresses,
    };
  }
}

function parseUses(text: string): number | "unlimited" {
  if (text.toLowerCase() === "unlimited") return "unlimited";
  const uses = /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
  if (uses === 0)
    throw usage(`--uses ${JSON.stringify(text.slice(0, 40))} is not a number above 0`, "--uses 3, or --uses unlimited");
  return uses;
}

function usage(message: string, fix: string): Failure {
  return new Failure("usage", "this machine", message, { fix });
}
