import { resolve } from "node:path";
import { Command, Option } from "clipanion";
import type { BuilderEntry } from "../../client/builders/entry.ts";
import { Failure } from "../../lib/failure.ts";
import { shellWord } from "../builder-text.ts";
import { DrvThruCommand } from "../command.ts";
import { ExitCode } from "../exit.ts";

/** What a builder file calls a field, and the flag for it. */
const FLAGS: Readonly<Record<string, string>> = {
  endpoint_id_file: "--endpoint-id-file",
  endpoint_id: "--endpoint-id",
  relay_url: "--relay-url",
  public_key: "--public-key",
  addresses: "--address",
};

/** `builder add`: gives a builder a name. */
export class BuilderAddCommand extends DrvThruCommand {
  static override paths = [["builder", "add"]];
  static usageLine = "NAME [options]";
  static override usage = Command.Usage({
    description: "Give a builder a name, for --builder NAME",
    details:
      "Writes builders.json in XDG_CONFIG_HOME/drv-thru or ~/.config/drv-thru, or the file that DRV_THRU_BUILDERS_CONFIG names.\n" +
      "The builder must trust this client's key: drv-thru key show.",
    examples: [
      [
        "By its endpoint id, the first line of drv-thru status there",
        "drv-thru builder add leviathan --endpoint-id ID",
      ],
      [
        "With an address, and the key that signs what it makes",
        "drv-thru builder add leviathan --endpoint-id ID --address 192.0.2.7:4433 --public-key drv-thru:BASE64",
      ],
    ],
  });

  name = Option.String({ required: true, name: "NAME" });
  endpointId = Option.String("--endpoint-id", { description: "ID | its endpoint id, 64 hex digits" });
  endpointIdFile = Option.String("--endpoint-id-file", {
    description: "PATH | a file that holds its endpoint id, read at each use",
  });
  relayUrl = Option.String("--relay-url", { description: "URL | the relay where it is (default: public discovery)" });
  address = Option.Array("--address", [], { description: "IP:PORT | an address where it is; repeatable" });
  publicKey = Option.String("--public-key", {
    description: "NAME:BASE64 | the key that signs what it makes (default: the one it names at first use)",
  });
  replace = Option.Boolean("--replace", false, { description: "replace the builder of that name" });

  async execute(): Promise<number> {
    const { addBuilder, problemOf } = await import("../../client/index.ts");
    const entry: BuilderEntry = {
      endpointId: this.endpointId?.trim().toLowerCase(),
      endpointIdFile: this.endpointIdFile && resolve(this.context.cwd, this.endpointIdFile),
      relayUrl: this.relayUrl,
      publicKey: this.publicKey?.trim(),
      addresses: this.address,
    };
    const wrong = problemOf(entry);
    if (wrong !== undefined) throw usage(inFlags(wrong));
    const { file, now } = await addBuilder(this.name, entry, this.context.env, { replace: this.replace });
    this.note(`wrote "${this.name}" into ${file}`);
    if (now?.overrides !== undefined)
      this.note(`note: ${now.overrides} has another one of that name, which counts no more for you`);
    this.note(`\nBuild there:\n  drv-thru build INSTALLABLE --builder ${shellWord(this.name)}`);
    return ExitCode.done;
  }
}

function inFlags(text: string): string {
  const words = text.replace(/\b[a-z]+(_[a-z]+)+\b|\baddresses\b/g, field => FLAGS[field] ?? field);
  return words.startsWith("--") ? words : `the builder ${words}`;
}

function usage(message: string): Failure {
  return new Failure("usage", "this machine", message, { fix: "drv-thru builder add --help" });
}
