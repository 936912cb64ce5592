import { resolve } from "node:path";
import { Command, Option } from "clipanion";
import { Failure } from "../../lib/failure.ts";
import { HELPER_SOCKET } from "../../lib/helper-protocol.ts";
import { DrvThruCommand } from "../command.ts";
import { ExitCode } from "../exit.ts";

/** `helper serve`: imports for users whom Nix does not trust. The second path is how an earlier program called it. */
export class HelperServeCommand extends DrvThruCommand {
  static override paths = [
    ["helper", "serve"],
    ["import-helper", "serve"],
  ];
  static usageLine = "--trusted-public-key-file FILE [options]";
  static override usage = Command.Usage({
    description: "Import outputs of allowed builders for users whom Nix does not trust (as root)",
    details:
      "Listens on a Unix socket; who may open that may ask. It imports exact store paths that an allowed key signed, from a cache on this\n" +
      "machine's loopback, and does nothing else. systemd may hand it the socket. Logs go to stderr, one JSON object a line.",
    examples: [
      [
        "For the members of the group wheel",
        "drv-thru helper serve --trusted-public-key-file /etc/drv-thru/trusted-builders",
      ],
      [
        "For another group",
        "drv-thru helper serve --trusted-public-key-file /etc/drv-thru/trusted-builders --group sudo",
      ],
    ],
  });

  socket = Option.String("--socket", { description: `PATH | its socket (default: ${HELPER_SOCKET})` });
  keyFile = Option.String("--trusted-public-key-file", {
    description: "FILE | the keys of allowed builders: one NAME:BASE64 a line, # begins a comment",
  });
  group = Option.String("--group", { description: "NAME | the group whose members may ask (default: wheel)" });

  async execute(): Promise<number> {
    if (this.socket === "")
      throw new Failure("usage", "this machine", "--socket names no path", { fix: "--socket PATH" });
    if (this.keyFile === undefined || this.keyFile === "") {
      throw new Failure("usage", "this machine", "no file of allowed keys was named", {
        fix: "--trusted-public-key-file FILE, with one NAME:BASE64 a line",
      });
    }
    const { jsonLog, startHelper } = await import("../../helper/index.ts");
    const { cwd, env, signal, stderr } = this.context;
    const helper = await startHelper({
      keyFile: resolve(cwd, this.keyFile),
      socketPath: this.socket === undefined ? undefined : resolve(cwd, this.socket),
      group: this.group,
      env,
      log: jsonLog(line => stderr.write(line)),
    });
    if (!signal.aborted) await new Promise(resolve => signal.addEventListener("abort", resolve, { once: true }));
    await helper.stop();
    return ExitCode.done;
  }
}
