import { resolve } from "node:path";
import { Command, Option } from "clipanion";
import { Failure } from "../../lib/failure.ts";
import { passedSockets } from "../../lib/passed-sockets.ts";
import { DrvThruCommand } from "../command.ts";
import { ExitCode } from "../exit.ts";
import { formatColumns } from "../table.ts";

/** Time for a builder that was told twice to stop, in milliseconds: its peers are told, so that they need not wait. */
const PATIENCE = 3_000;

/** `serve`: turns this machine into a builder, in the foreground. */
export class ServeCommand extends DrvThruCommand {
  static override paths = [["serve"]];
  static usageLine = "[options]";
  static override usage = Command.Usage({
    description: "Run a builder here, in the foreground",
    details:
      "Runs as any user of this machine's Nix; it need not be a trusted one. Logs go to stderr, one JSON object a line.\n" +
      "SIGTERM or Ctrl-C stops it gently: running builds end, new ones are told to try again. A second one stops it at once.\n" +
      "SIGHUP reads --config again; a file that cannot be used is said in the log and changes nothing.",
    examples: [
      ["A builder with its files in the usual place", "drv-thru serve"],
      ["From a configuration file", "drv-thru serve --config /etc/drv-thru/server.json"],
      [
        "Reachable at a forwarded port, without relays",
        "drv-thru serve --relay none --bind 0.0.0.0:4433 --advertise 203.0.113.7:4433",
      ],
    ],
  });

  dataDir = Option.String("--data-dir", {
    description:
      "DIR | keys, state and logs (default: DRV_THRU_DATA_DIR, /var/lib/drv-thru, or drv-thru in XDG_STATE_HOME)",
  });
  config = Option.String("--config", { description: "FILE | configuration in JSON; excludes the other flags" });
  trustedClient = Option.Array("--trusted-client", [], {
    description: "ID | a client that builds without a ticket (30m, 20G a build); repeatable",
  });
  relay = Option.String("--relay", {
    description: "default|none|URL | the relay to be reachable through (default: default)",
  });
  bind = Option.Array("--bind", [], {
    description:
      "ADDR[:PORT] | where to listen, one IPv4 and one IPv6 address at most (default: everywhere); repeatable",
  });
  advertise = Option.Array("--advertise", [], { description: "ADDR:PORT | also put this into tickets; repeatable" });
  json = Option.Boolean("--json", false, { description: "print one JSON object once it serves" });

  async execute(): Promise<number> {
    const { boundMemory } = await import("../memory.ts");
    boundMemory();
    const config = await this.builderConfig();
    const { startBuilder } = await import("../../server/index.ts");
    const { signal, hurry } = this.context;
    hurry.patience = PATIENCE;
    const again = this.reloads();
    const builder = await startBuilder({ config, passedSockets: passedSockets(this.context.env, process.pid) });
    const info = builder.info();
    if (this.json) this.printJson(info);
    else this.print(welcome(info, config.relay));
    again(file => void builder.reload(file));
    await aborted(signal);
    this.note("stopping: running builds may end, new ones are told to try again; once more to stop at once");
    await builder.stop(hurry.signal);
    return ExitCode.done;
  }

  /** Who gives the answer what to do at each SIGHUP also hears of those that came before. Without a file SIGHUP ends the builder, as any program. */
  private reloads(): (reload: (file: string) => void) => void {
    const file = this.config;
    if (file === undefined) return () => undefined;
    const path = resolve(this.context.cwd, file);
    let missed = false;
    let act = () => {
      missed = true;
    };
    this.context.onHangup(() => act());
    return reload => {
      act = () => reload(path);
      if (missed) act();
    };
  }

  /** Everything wrong with the flags is said before anything is started. */
  private async builderConfig() {
    const { configFromFlags, findDataFolder, readConfig } = await import("../../server/index.ts");
    const { dataDir, trustedClient, relay, bind, advertise } = this;
    if (this.config === undefined) {
      const dataFolder = findDataFolder(dataDir && resolve(this.context.cwd, dataDir), this.context.env);
      return configFromFlags({ dataFolder, trustedClients: trustedClient, relay, bind, advertise });
    }
    const given = [
      ["--data-dir", "data_dir", dataDir],
      ["--trusted-client", "trusted_clients", trustedClient[0]],
      ["--relay", "relay", relay],
      ["--bind", "bind", bind[0]],
      ["--advertise", "advertise", advertise[0]],
    ] as const;
    const beside = given.find(([, , value]) => value !== undefined);
    if (this.config === "")
      throw new Failure("usage", "this machine", "--config names no file", { fix: "--config FILE" });
    if (beside === undefined) return readConfig(resolve(this.context.cwd, this.config));
    const [flag, field] = beside;
    throw new Failure("usage", "this machine", `--config and ${flag} exclude each other`, {
      fix: `write ${field} into ${this.config}`,
    });
  }
}

function welcome(
  info: {
    endpointId: string;
    signingKey: string;
    dataFolder: string;
    addresses: readonly string[];
    relayUrls: readonly string[];
  },
  relay: string,
): string {
  const rows = [
    ["builder", info.endpointId],
    ["signing key", info.signingKey],
    ["addresses", info.addresses.join(" ") || "-"],
    ["relay", info.relayUrls.join(" ") || (relay === "none" ? "none" : "none reached yet")],
    ["data folder", info.dataFolder],
  ];
  return `${formatColumns(rows)}\n\nHand out a ticket:\n  drv-thru ticket create`;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener("abort", resolve, { once: true }));
}
