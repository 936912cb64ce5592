import { Command, Option } from "clipanion";
import { DrvThruCommand } from "../command.ts";
import { ExitCode } from "../exit.ts";

/** `key show`: the id by which builders know this client. */
export class KeyShowCommand extends DrvThruCommand {
  static override paths = [["key", "show"]];
  static usageLine = "[options]";
  static override usage = Command.Usage({
    description: "Print this client's id, making its key on first use",
    examples: [
      ["The id to send to a builder's owner", "drv-thru key show"],
      ["The id of another key", "drv-thru key show --key-file ./ci.key"],
    ],
  });

  keyFile = Option.String("--key-file", {
    description: "PATH | the client key's file (default: drv-thru/secret.key in XDG_CONFIG_HOME or ~/.config)",
  });
  json = Option.Boolean("--json", false, { description: "print one JSON object" });

  async execute(): Promise<number> {
    const { clientKey } = await import("../../client/index.ts");
    const key = await clientKey({ file: this.keyFile });
    if (this.json) this.printJson(key);
    else this.print(key.id);
    if (key.file === undefined) this.note("note: this key lives in memory only, because no file could be written");
    return ExitCode.done;
  }
}
