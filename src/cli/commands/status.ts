import { Command, Option } from "clipanion";
import type { BuilderClient, BuilderStatus } from "../../client/builder.ts";
import type { BuildTarget } from "../../client/target.ts";
import { Failure } from "../../lib/failure.ts";
import { ExitCode } from "../exit.ts";
import { LocalCommand } from "../local.ts";
import { statusText } from "../status-text.ts";
import { redrawStatus } from "../status-watch.ts";
import { targetFrom } from "../target.ts";
import { whenUnread, writeSlowly } from "../write.ts";

/** `status`: what a builder does now. */
export class StatusCommand extends LocalCommand {
  static override paths = [["status"]];
  static usageLine = "[options]";
  static override usage = Command.Usage({
    description: "Show what a builder is doing: capacity, builds, queue, transfers, recent results",
    details:
      "Without a ticket or a builder's name: the builder on this machine, everything. Else: own builds, and counts of the others.\n" +
      "--watch goes on until Ctrl-C: on a terminal it redraws in place, else each change is a frame, with --json a line.",
    examples: [
      ["The builder on this machine", "drv-thru status"],
      ["The same, as it changes", "drv-thru status --watch"],
      ["A builder that you have a ticket for", "drv-thru status --ticket drvthru..."],
      ["A builder with a name", "drv-thru status --builder leviathan"],
      ["A builder that trusts this client's key", "drv-thru status --server ENDPOINT_ID"],
      ["For a program: a line a change", "drv-thru status --watch --json"],
    ],
  });

  watch = Option.Boolean("-w,--watch", false, { description: "go on, and show each change" });
  ticket = Option.String("--ticket", { description: "T | ask this ticket's builder; - reads it from stdin" });
  ticketFile = Option.String("--ticket-file", { description: "PATH | a file with the ticket" });
  builder = Option.String("--builder", { description: "NAME | ask a builder of drv-thru builder list" });
  server = Option.String("--server", {
    description: "ID | ask a builder that trusts this client's key, by its endpoint id",
  });
  relayUrl = Option.Array("--relay-url", [], { description: "URL | a relay where --server is; repeatable" });
  address = Option.Array("--address", [], { description: "IP:PORT | an address where --server is; repeatable" });
  keyFile = Option.String("--key-file", { description: "PATH | the client key's file" });

  async execute(): Promise<number> {
    const target = await this.target();
    return target === undefined
      ? await this.withBuilder(client => this.show(client))
      : await this.withRemote(target, client => this.show(client));
  }

  private async target(): Promise<BuildTarget | undefined> {
    const target = await targetFrom(this, this.context, { environment: false });
    if (target !== undefined && this.dataDir !== undefined) {
      const message = "--data-dir names the builder on this machine, and another one is named too";
      throw new Failure("usage", "this machine", message, { fix: "name one builder" });
    }
    return target;
  }

  private async withRemote<T>(target: BuildTarget, work: (client: BuilderClient) => Promise<T>): Promise<T> {
    const { connect } = await import("../../client/index.ts");
    await using client = await connect({ target, clientKeyFile: this.keyFile, signal: this.context.signal });
    return await work(client);
  }

  private async show(client: BuilderClient): Promise<number> {
    const { signal } = this.context;
    if (this.watch) return await this.follow(client);
    const status = await client.status({ signal });
    if (this.json) this.printJson(status);
    else this.print(statusText(status, status.at));
    return ExitCode.done;
  }

  /** Only Ctrl-C, an error, or a reader who has left ends it. */
  private async follow(client: BuilderClient): Promise<number> {
    const { stdout, signal, answer } = this.context;
    const unread = whenUnread(stdout);
    const over = AbortSignal.any([signal, unread]);
    const changes = client.watchStatus({ signal: over });
    if (answer.terminal && !this.json) await redrawStatus(changes, this.context);
    else await this.append(changes, over);
    if (signal.aborted) return ExitCode.interrupted;
    if (unread.aborted) return ExitCode.done;
    throw new Failure("unreachable", "the builder", "it ended the watch", { fix: "see whether it still runs" });
  }

  private async append(changes: AsyncIterable<BuilderStatus>, signal: AbortSignal): Promise<void> {
    let between = "";
    for await (const status of changes) {
      const text = this.json ? JSON.stringify(status) : `${between}${statusText(status, status.at)}`;
      await writeSlowly(this.context.stdout, `${text}\n`, signal).catch(ignoreAbort(signal));
      between = "\n";
    }
  }
}

/** The wish to end is no failure of a write. */
function ignoreAbort(signal: AbortSignal): (error: unknown) => void {
  return error => {
    if (!signal.aborted) throw error;
  };
}
