import { Cli, Command, Option } from "clipanion";
import { Failure } from "../../lib/failure.ts";
import { DrvThruCommand } from "../command.ts";
import { bashCompletion, type CompletionCommandSpec, fishCompletion, zshCompletion } from "../completion-script.ts";
import { ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";

const SHELLS = new Map([
  ["bash", bashCompletion],
  ["zsh", zshCompletion],
  ["fish", fishCompletion],
]);

/** `completion`: a script for a shell to load. */
export class CompletionCommand extends DrvThruCommand {
  static override paths = [["completion"]];
  static usageLine = "bash|zsh|fish";
  static override usage = Command.Usage({
    description: "Print a completion script for a shell",
    examples: [
      ["For this bash", "source <(drv-thru completion bash)"],
      ["For zsh, from a folder of its fpath", "drv-thru completion zsh > ~/.zfunc/_drv-thru"],
      ["For fish", "drv-thru completion fish > ~/.config/fish/completions/drv-thru.fish"],
    ],
  });

  shell = Option.String({ required: true, name: "SHELL" });

  async execute(): Promise<number> {
    const { commands } = await import("./index.ts");
    const specs = specsOf(Cli.from<Io>([...commands], { binaryName: "drv-thru" }));
    const script = SHELLS.get(this.shell);
    if (script === undefined) {
      throw new Failure("usage", "this machine", `no completions for ${JSON.stringify(this.shell.slice(0, 40))}`, {
        fix: "drv-thru completion bash   (or zsh, fish)",
      });
    }
    this.context.stdout.write(script(specs));
    return ExitCode.done;
  }
}

function specsOf(cli: Cli<Io>): CompletionCommandSpec[] {
  return cli.definitions().map(d => ({
    words: d.path.split(" ").slice(1),
    flags: d.options.flatMap(o => o.definition.replace(/ #\d+/g, "").split(",")).filter(name => name.startsWith("--")),
  }));
}
