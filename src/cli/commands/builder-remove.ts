import { Command, Option } from "clipanion";
import { DrvThruCommand } from "../command.ts";
import { ExitCode } from "../exit.ts";

/** `builder remove`: takes a name away. */
export class BuilderRemoveCommand extends DrvThruCommand {
  static override paths = [["builder", "remove"]];
  static usageLine = "NAME";
  static override usage = Command.Usage({
    description: "Take a builder's name out of your builder file",
    examples: [["One that is not used any more", "drv-thru builder remove leviathan"]],
  });

  name = Option.String({ required: true, name: "NAME" });

  async execute(): Promise<number> {
    const { removeBuilder } = await import("../../client/index.ts");
    const { file, now } = await removeBuilder(this.name, this.context.env);
    this.note(`removed "${this.name}" from ${file}`);
    if (now !== undefined) this.note(`note: ${now.file} has one of that name, which counts again`);
    return ExitCode.done;
  }
}
