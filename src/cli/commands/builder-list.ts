import { Command, Option } from "clipanion";
import { builderJson, builderRow } from "../builder-text.ts";
import { DrvThruCommand } from "../command.ts";
import { ExitCode } from "../exit.ts";
import { formatColumns } from "../table.ts";

/** `builder list`: the builders that have names here. */
export class BuilderListCommand extends DrvThruCommand {
  static override paths = [["builder", "list"]];
  static usageLine = "[options]";
  static override usage = Command.Usage({
    description: "List the builders that have names here",
    examples: [
      ["This machine's builders and your own", "drv-thru builder list"],
      ["For a program: one JSON object a line", "drv-thru builder list --json"],
    ],
  });

  json = Option.Boolean("--json", false, { description: "print JSON, one object a line" });

  async execute(): Promise<number> {
    const { loadBuilders } = await import("../../client/index.ts");
    const { builders, looked } = await loadBuilders(this.context.env);
    const sorted = [...builders.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (this.json) {
      for (const builder of sorted) this.printJson(builderJson(builder));
      return ExitCode.done;
    }
    if (sorted.length === 0) {
      this.note(`no builders in ${looked.join(" or ")}\n\ndrv-thru builder add NAME --endpoint-id ID`);
      return ExitCode.done;
    }
    this.print(formatColumns([["NAME", "ENDPOINT ID", "WHERE", "FROM"], ...sorted.map(builderRow)]));
    return ExitCode.done;
  }
}
