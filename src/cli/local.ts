import { Option } from "clipanion";
import type { BuilderClient } from "../client/builder.ts";
import { Failure } from "../lib/failure.ts";
import { DrvThruCommand } from "./command.ts";

/** A command that speaks to the builder on this machine as its administrator. */
export abstract class LocalCommand extends DrvThruCommand {
  dataDir = Option.String("--data-dir", {
    description:
      "DIR | the builder's data folder (default: DRV_THRU_DATA_DIR, then the system's builder, then the user's own)",
  });
  json = Option.Boolean("--json", false, { description: "print JSON" });

  /** Connects, runs and closes on every way out. */
  protected async withBuilder<T>(work: (client: BuilderClient) => Promise<T>): Promise<T> {
    if (this.dataDir === "")
      throw new Failure("usage", "this machine", "--data-dir names no folder", { fix: "--data-dir DIR" });
    const { connect } = await import("../client/index.ts");
    await using client = await connect({
      target: { local: { dataDir: this.dataDir } },
      signal: this.context.signal,
    });
    return await work(client);
  }
}
