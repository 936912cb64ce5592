import { Command, Option } from "clipanion";
import { builderJson, builderRows } from "../builder-text.ts";
import { DrvThruCommand } from "../command.ts";
import { ExitCode } from "../exit.ts";
import { formatColumns } from "../table.ts";

/** `builder show`: all that is known here of a builder with a name. */
export class BuilderShowCommand extends DrvThruCommand {
  static override paths = [["builder", "show"]];
  static usageLine = "NAME [options]";
  static override usage = Command.Usage({
    description: "Show what is known here of a builder with a name",
    examples: [["Its endpoint id, addresses and signing key", "drv-thru builder show leviathan"]],
  });

  name = Option.String({ required: true, name: "NAME" });
  json = Option.Boolean("--json", false, { description: "print one JSON object" });

  async execute(): Promise<number> {
    const { showBuilder } = await import("../../client/index.ts");
    const builder = await showBuilder(this.name, this.context.env);
    const { endpoint, remembered } = builder;
    if (this.json) this.printJson({ ...builderJson(builder), endpointId: endpoint, remembered });
    else this.print(formatColumns(builderRows(builder)));
    return ExitCode.done;
  }
}
